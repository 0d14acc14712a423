//! What the command line means.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fpga_cluster::api::Source;
use fpga_cluster::http::Listen;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use rustls::pki_types::ServerName;

use crate::args::Args;
use crate::certificates::keeper::Objects;
use crate::certificates::plan::Policy;
use crate::index::DefaultMode;
use crate::lease::Terms;
use crate::owner;
use crate::tls;

/// Where a service account's files are.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Everything that the webhook is told, checked.
#[derive(Debug)]
pub(crate) struct Config {
    /// What functions whose object names no mode become.
    pub(crate) mode: DefaultMode,
    /// How functions are called.
    pub(crate) naming: fpga::names::Naming,
    /// How regions are called that are given with their management node.
    pub(crate) regiondevel: fpga::names::RegionDevelName,
    /// The way to the API server.
    pub(crate) source: Source,
    /// Where reviews are served.
    pub(crate) address: Listen,
    /// The path that they are sent to.
    pub(crate) path: String,
    /// Where health and metrics are served.
    pub(crate) health: Option<Listen>,
    /// Where the certificate comes from.
    pub(crate) certificates: Certificates,
    /// Our part in the lease.
    pub(crate) terms: Terms,
    /// How long new connections are still taken after SIGTERM.
    pub(crate) shutdown_delay: Duration,
}

/// Where the certificate comes from.
#[derive(Debug)]
pub(crate) enum Certificates {
    /// The webhook makes it.
    Own {
        /// Which objects it is kept in.
        objects: Objects,
        /// What it must be like.
        policy: Policy,
    },
    /// Somebody else keeps it in the files of this directory.
    Files(PathBuf),
}

/// What is wrong with the command line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// There is no namespace.
    #[error(
        "neither --namespace nor POD_NAMESPACE nor a service account says which namespace this is"
    )]
    Namespace,
    /// A name that cannot be in a certificate.
    #[error(
        "--service {service} in namespace {namespace}: {service}.{namespace}.svc is no DNS name"
    )]
    Service {
        /// The Service's name.
        service: String,
        namespace: String,
    },
    /// The overlap does not fit twice into what is left of a certificate when it is renewed.
    #[error(
        "--certificate-overlap {overlap:?} is more than a seventh of --certificate-lifetime {lifetime:?}"
    )]
    Overlap { overlap: Duration, lifetime: Duration },
    /// A lease is counted in whole seconds.
    #[error("--lease-duration {0:?}: expected at least 1s")]
    Lease(Duration),
    /// The host has no name.
    #[error("neither --identity nor POD_NAME nor a host name: {0}")]
    Identity(nix::errno::Errno),
}

impl Config {
    /// Checks what was typed.
    ///
    /// # Errors
    /// [`ConfigError`], in one line.
    pub(crate) fn new(args: Args) -> Result<Self, ConfigError> {
        let source = source(args.kubeconfig);
        let namespace = args.namespace.or_else(own_namespace).ok_or(ConfigError::Namespace)?;
        if args.lease_duration < Duration::from_secs(1) {
            return Err(ConfigError::Lease(args.lease_duration));
        }
        let identity = match args.identity {
            Some(identity) => identity,
            None => nix::unistd::gethostname()
                .map_err(ConfigError::Identity)?
                .to_string_lossy()
                .into_owned(),
        };
        let owner = match &source {
            Source::ServiceAccount => own_account(&namespace),
            Source::Kubeconfig { .. } => None,
        };
        let certificates = match args.certificate_dir {
            Some(directory) => Certificates::Files(directory),
            None => {
                let (overlap, lifetime) = (args.certificate_overlap, args.certificate_lifetime);
                if overlap * 7 > lifetime {
                    return Err(ConfigError::Overlap { overlap, lifetime });
                }
                let mut names = vec![service_name(&args.service, &namespace)?];
                names.extend(args.server_name);
                Certificates::Own {
                    objects: Objects {
                        namespace: namespace.clone(),
                        secret: args.secret,
                        configuration: args.webhook_configuration.0,
                        owner: owner.clone().map(Box::new),
                    },
                    policy: Policy { names, lifetime, overlap, provider: tls::provider() },
                }
            }
        };
        Ok(Self {
            mode: args.mode,
            naming: args.naming,
            regiondevel: args.regiondevel_name,
            source,
            address: args.address,
            path: args.path,
            health: args.health_address.0,
            certificates,
            terms: Terms {
                namespace,
                name: args.lease,
                // Two replicas that are called the same by mistake are still two.
                identity: format!("{identity}_{:08x}", random()),
                owner,
                duration: args.lease_duration,
            },
            shutdown_delay: args.shutdown_delay,
        })
    }
}

/// The way to the API server.
pub(crate) fn source(kubeconfig: Option<PathBuf>) -> Source {
    match kubeconfig.filter(|path| !path.as_os_str().is_empty()) {
        Some(path) => Source::Kubeconfig { path, master: None },
        None => Source::ServiceAccount,
    }
}

/// What an API server calls a Service's server.
fn service_name(service: &str, namespace: &str) -> Result<ServerName<'static>, ConfigError> {
    ServerName::try_from(format!("{service}.{namespace}.svc")).map_err(|_| ConfigError::Service {
        service: service.to_owned(),
        namespace: namespace.to_owned(),
    })
}

fn own_namespace() -> Option<String> {
    let text = std::fs::read_to_string(Path::new(SERVICE_ACCOUNT).join("namespace")).ok()?;
    Some(text.trim().to_owned()).filter(|namespace| !namespace.is_empty())
}

/// The service account that we run as, as the owner of what we make in `namespace`.
fn own_account(namespace: &str) -> Option<OwnerReference> {
    let token = std::fs::read_to_string(Path::new(SERVICE_ACCOUNT).join("token")).ok()?;
    owner::of_token(&token, namespace)
}

/// From the randomness that hash maps start with.
fn random() -> u32 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    let hash = RandomState::new().build_hasher().finish();
    (hash & u64::from(u32::MAX)).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn config(line: &str) -> Result<Config, ConfigError> {
        let words = ["fpga-webhook", "--namespace", "ns", "--identity", "me"].into_iter();
        Config::new(Args::try_parse_from(words.chain(line.split_whitespace())).unwrap())
    }

    #[test]
    fn certificates_are_made_for_the_service_and_for_further_names() {
        let config = config("--service web --server-name 127.0.0.1 --webhook-configuration none");
        let Certificates::Own { objects, policy } = config.unwrap().certificates else { panic!() };
        let names: Vec<_> = policy.names.iter().map(|name| name.to_str().into_owned()).collect();
        assert_eq!(names, ["web.ns.svc", "127.0.0.1"]);
        assert_eq!(objects.configuration, None);
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (line, reason) in [
            ("--service a/b", "--service a/b in namespace ns"),
            ("--certificate-lifetime 6s --certificate-overlap 1s", "more than a seventh"),
            ("--lease-duration 500ms", "--lease-duration 500ms: expected at least 1s"),
        ] {
            let error = config(line).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn two_replicas_are_never_called_the_same() {
        let (one, two) = (config("").unwrap().terms.identity, config("").unwrap().terms.identity);
        assert!(one.starts_with("me_") && two.starts_with("me_") && one != two);
    }
}
