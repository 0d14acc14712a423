//! As much of a kubeconfig as it takes to read from an API server. Programs that it names for logging in
//! are not run.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;

use super::address::Address;
use super::{LIMIT, tls};
use fpga::files::read;

/// How to reach an API server.
pub(super) struct Access {
    pub(super) server: Address,
    pub(super) config: ClientConfig,
    pub(super) token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Kubeconfig {
    current_context: String,
    contexts: Vec<NamedContext>,
    clusters: Vec<NamedCluster>,
    users: Vec<NamedUser>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Deserialize)]
struct Context {
    cluster: String,
    user: String,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    tls_server_name: Option<String>,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    #[serde(default)]
    user: User,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
struct User {
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<PathBuf>,
    client_certificate: Option<PathBuf>,
    client_certificate_data: Option<String>,
    client_key: Option<PathBuf>,
    client_key_data: Option<String>,
}

/// Reads the kubeconfig at `path`.
pub(super) fn access(path: &Path) -> Result<Access, String> {
    let text = read(path, LIMIT).map_err(|error| error.to_string())?;
    let text = String::from_utf8(text).map_err(|error| error.to_string())?;
    // The first line: the others draw the place, of a file with secrets in it.
    let kubeconfig: Kubeconfig = serde_saphyr::from_str(&text)
        .map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())?;
    let directory = path.parent().unwrap_or(Path::new("."));
    let missing = |what: &str, name: &str| format!("there is no {what} {name:?} in it");
    let name = &kubeconfig.current_context;
    let context = kubeconfig.contexts.iter().find(|context| context.name == *name);
    let context = &context.ok_or_else(|| missing("context", name))?.context;
    let cluster = kubeconfig.clusters.iter().find(|cluster| cluster.name == context.cluster);
    let cluster = &cluster.ok_or_else(|| missing("cluster", &context.cluster))?.cluster;
    let user = kubeconfig.users.iter().find(|user| user.name == context.user);
    let user = &user.ok_or_else(|| missing("user", &context.user))?.user;

    let authority = contents(
        directory,
        cluster.certificate_authority_data.as_ref(),
        cluster.certificate_authority.as_ref(),
    )?;
    let authority = authority.ok_or("its cluster names no certificate authority")?;
    let roots = tls::roots(&authority)?;
    let builder = tls::builder().map_err(|error| error.to_string())?.with_root_certificates(roots);
    let certificate = contents(
        directory,
        user.client_certificate_data.as_ref(),
        user.client_certificate.as_ref(),
    )?;
    let key = contents(directory, user.client_key_data.as_ref(), user.client_key.as_ref())?;
    let token = match &user.token_file {
        Some(file) => {
            let file = directory.join(file);
            Some(
                fs::read_to_string(&file)
                    .map_err(|error| format!("{}: {error}", file.display()))?,
            )
        }
        None => user.token.clone(),
    };
    let config = match (certificate, key) {
        (Some(certificate), Some(key)) => {
            let chain = CertificateDer::pem_slice_iter(&certificate).collect::<Result<_, _>>();
            let chain = chain.map_err(|error| format!("client certificate: {error}"))?;
            let key = PrivateKeyDer::from_pem_slice(&key);
            let key = key.map_err(|error| format!("client key: {error}"))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())?
        }
        _ if token.is_none() => {
            return Err(
                "its user has neither a certificate nor a token, and no program is run".to_owned()
            );
        }
        _ => builder.with_no_client_auth(),
    };
    let mut server: Address = cluster.server.parse()?;
    server.name.clone_from(&cluster.tls_server_name);
    Ok(Access { server, config, token: token.map(|token| token.trim().to_owned()) })
}

/// What is in the file itself, or in another, relative to its directory.
fn contents(
    directory: &Path,
    data: Option<&String>,
    file: Option<&PathBuf>,
) -> Result<Option<Vec<u8>>, String> {
    if let Some(data) = data {
        return STANDARD.decode(data.trim()).map(Some).map_err(|error| error.to_string());
    }
    let Some(file) = file else { return Ok(None) };
    let file = directory.join(file);
    read(&file, LIMIT).map(Some).map_err(|error| format!("{}: {error}", file.display()))
}
