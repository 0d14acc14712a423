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
