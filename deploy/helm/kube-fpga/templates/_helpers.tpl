{{- define "kube-fpga.labels" -}}
app.kubernetes.io/name: kube-fpga
app.kubernetes.io/part-of: kube-fpga
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Arguments: the root context and the component. */}}
{{- define "kube-fpga.selector" -}}
app.kubernetes.io/name: kube-fpga
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "kube-fpga.image" -}}
{{- $digest := get .root.Values.image.digests .name -}}
{{- if $digest -}}
{{ printf "%s/%s@%s" .root.Values.image.repository .name $digest }}
{{- else -}}
{{ printf "%s/%s:%s" .root.Values.image.repository .name (default .root.Chart.AppVersion .root.Values.image.tag) }}
{{- end -}}
{{- end }}

{{- define "kube-fpga.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What every container of ours has. */}}
{{- define "kube-fpga.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* The files of a service account, for the containers that need them and no others of the pod. */}}
{{- define "kube-fpga.token" -}}
- name: token
  projected:
    defaultMode: 0444
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3607
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
{{- end }}

{{- define "kube-fpga.tokenMount" -}}
- name: token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end }}

{{/* In the webhook's words. */}}
{{- define "kube-fpga.defaultMode" -}}
{{- $follow := ternary "orchestrated" "preprogrammed" (eq .Values.agent.mode "region") -}}
{{ default $follow .Values.webhook.defaultMode }}
{{- end }}

{{/* Pods without FPGAs never depend on the webhook: not one container asks for a resource of ours or sets a variable
that the hook reads. Kubernetes evaluates this in the API server. */}}
{{- define "kube-fpga.matchConditions" -}}
- name: asks-for-an-fpga
  expression: >-
    (object.spec.containers
    + (has(object.spec.initContainers) ? object.spec.initContainers : [])
    + (has(object.spec.ephemeralContainers) ? object.spec.ephemeralContainers : []))
    .exists(c,
    (has(c.resources) && has(c.resources.limits) && c.resources.limits.exists(r, r.startsWith('fpga.intel.com/')))
    || (has(c.resources) && has(c.resources.requests) && c.resources.requests.exists(r, r.startsWith('fpga.intel.com/')))
    || (has(c.env) && c.env.exists(e, e.name.startsWith('FPGA_REGION') || e.name.startsWith('FPGA_AFU'))))
{{- end }}
