//! Whose the Secret and the Lease are that the webhook makes: they belong to the service account that it runs as, which
//! is part of the installation. When that is removed, the cluster's garbage collector removes them with it, and with the
//! Secret the private key in it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;
use serde::Deserialize;

/// The claims of a service account's token that matter here
/// (<https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/>, "Schema for service account private
/// claims").
#[derive(Deserialize)]
struct Claims {
    #[serde(rename = "kubernetes.io")]
    kubernetes: Kubernetes,
}

#[derive(Deserialize)]
struct Kubernetes {
    namespace: String,
    serviceaccount: Account,
}

#[derive(Deserialize)]
struct Account {
    name: String,
    uid: String,
}

/// The service account of a token, as the owner of objects in `namespace`; `None` if the token does not say, or is of
/// another namespace: an owner elsewhere does not count, and what it owns is removed at once.
pub(crate) fn of_token(token: &str, namespace: &str) -> Option<OwnerReference> {
    let payload = token.trim().split('.').nth(1)?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    let Kubernetes { namespace: own, serviceaccount: Account { name, uid } } = claims.kubernetes;
    (own == namespace && !name.is_empty() && !uid.is_empty()).then(|| OwnerReference {
        api_version: "v1".to_owned(),
        kind: "ServiceAccount".to_owned(),
        name,
        uid,
        ..OwnerReference::default()
    })
}

/// Makes `owner` own the object, unless somebody does.
pub(crate) fn put(metadata: &mut ObjectMeta, owner: Option<&OwnerReference>) {
    let owners = metadata.owner_references.get_or_insert_default();
    if owners.is_empty() {
        owners.extend(owner.cloned());
    }
    if owners.is_empty() {
        metadata.owner_references = None;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(payload: &serde_json::Value) -> String {
        format!("e30.{}.c2lnbmF0dXJl\n", URL_SAFE_NO_PAD.encode(payload.to_string()))
    }

    fn claims(namespace: &str) -> serde_json::Value {
        let account = json!({ "name": "kube-fpga-webhook", "uid": "14ee3fa4" });
        json!({
            "iss": "https://kubernetes.default.svc",
            "kubernetes.io": { "namespace": namespace, "serviceaccount": account, "pod": {} },
        })
    }

    #[test]
    fn the_service_account_of_the_own_namespace_is_the_owner() {
        let owner = of_token(&token(&claims("fpga")), "fpga").unwrap();
        let fields = [&owner.api_version, &owner.kind, &owner.name, &owner.uid];
        assert_eq!(fields, ["v1", "ServiceAccount", "kube-fpga-webhook", "14ee3fa4"]);
        assert_eq!(of_token(&token(&claims("other")), "fpga"), None);
    }

    #[test]
    fn a_token_of_another_form_names_nobody() {
        let mut nameless = claims("fpga");
        nameless["kubernetes.io"]["serviceaccount"]["uid"] = json!("");
        for text in ["", "a", "a.b", "..", "a.!.c", "e30.e30.x", "a.bnVsbA.c"] {
            assert_eq!(of_token(text, "fpga"), None, "{text:?}");
        }
        for payload in [json!([]), json!({ "kubernetes.io": "x" }), nameless] {
            assert_eq!(of_token(&token(&payload), "fpga"), None, "{payload}");
        }
    }

    #[test]
    fn an_object_keeps_the_owner_that_it_has() {
        let ours = of_token(&token(&claims("fpga")), "fpga").unwrap();
        let mut metadata = ObjectMeta::default();
        put(&mut metadata, None);
        assert_eq!(metadata.owner_references, None);
        put(&mut metadata, Some(&ours));
        assert_eq!(metadata.owner_references.as_deref(), Some(std::slice::from_ref(&ours)));
        let theirs = OwnerReference { uid: "theirs".to_owned(), ..ours.clone() };
        metadata.owner_references = Some(vec![theirs.clone()]);
        put(&mut metadata, Some(&ours));
        assert_eq!(metadata.owner_references, Some(vec![theirs]));
    }
}
