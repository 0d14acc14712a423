// Validates objects of the Prometheus operator and of cert-manager, which no Kubernetes schema knows:
// node operators.mjs < objects.json (a JSON array), in a
// directory with the packages. Unknown kinds are refused, not passed.
import {readFileSync} from "node:fs";

const prefixes = {
  "monitoring.coreos.com/v1": ["prometheus-operator", "ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1"],
  "cert-manager.io/v1": ["cert-manager", "ComGithubCertManagerCertManagerPkgApisCertmanagerV1"],
};
const wrong = [];
const objects = JSON.parse(readFileSync(0, "utf8"));
for (const object of objects) {
  const name = `${object.kind} ${object.metadata.name}`;
  const [operator, prefix] = prefixes[object.apiVersion] ?? [];
  if (!operator) {
    wrong.push(`${name}: no schema for ${object.apiVersion}`);
    continue;
  }
  const {validate} = await import(import.meta.resolve(`./node_modules/@kubernetes-models/${operator}/_schemas/${prefix}${object.kind}.js`));
  if (!validate(object)) {
    for (const error of validate.errors) wrong.push(`${name}${error.instancePath}: ${error.message ?? error.keyword} ${JSON.stringify(error.params)}`);
  }
}
console.log(wrong.length ? wrong.join("\n") : `operators' schemas: ${objects.length} objects`);
process.exitCode = wrong.length ? 1 : 0;
