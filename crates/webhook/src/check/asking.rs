//! Questions to the API server: each has its time, and what is not answered is a finding.

use std::fmt::{Debug, Display};
use std::time::Duration;

use fpga_cluster::api::chain;
use fpga_findings::Finding;
use kube::api::ListParams;
use kube::{Api, Client};
use serde::de::DeserializeOwned;

/// Objects in one answer.
const PAGE: u32 = 500;

/// The API server, and how long it may take.
pub(super) struct Asking {
    pub(super) client: Client,
    patience: Duration,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There is no such object, or no such kind.
    Missing,
    /// This user may not read it. What the API server said.
    Forbidden(String),
    /// Anything else.
    Failed(String),
}

impl Asking {
    pub(super) fn new(client: Client, patience: Duration) -> Self {
        Self { client, patience }
    }

    /// One object.
    pub(super) async fn get<K>(&self, api: &Api<K>, name: &str) -> Result<K, Trouble>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        self.answer(api.get(name)).await
    }

    /// All objects that fit, page by page.
    pub(super) async fn list<K>(&self, api: &Api<K>, labels: &str) -> Result<Vec<K>, Trouble>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        let mut params = ListParams::default().labels(labels).limit(PAGE);
        let mut all = Vec::new();
        loop {
            let page = self.answer(api.list(&params)).await?;
            all.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => return Ok(all),
            }
        }
    }

    async fn answer<T>(
        &self,
        asked: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Trouble> {
        match tokio::time::timeout(self.patience, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(kube::Error::Api(status))) => Err(match status.code {
                404 => Trouble::Missing,
                code @ (401 | 403) => Trouble::Forbidden(format!("{code}: {}", status.message)),
                code => Trouble::Failed(format!("{code}: {}", status.message)),
            }),
            Ok(Err(error)) => Err(Trouble::Failed(chain(&error))),
            Err(_) => Err(Trouble::Failed(format!("no answer within {:?}", self.patience))),
        }
    }
}

impl Trouble {
    /// That `object` is not known, and why.
    pub(super) fn finding(&self, object: impl Display) -> Finding {
        match self {
            Self::Missing => Finding::error(object, "there is no such object")
                .because("it was removed, or never installed"),
            Self::Forbidden(message) => Finding::unknown(object, "this user may not read it")
                .because(format_args!("the API server answers {message}"))
                .fix("kubectl auth can-i --list"),
            Self::Failed(message) => Finding::unknown(object, "the API server does not tell")
                .because(message)
                .fix("kubectl cluster-info"),
        }
    }
}
