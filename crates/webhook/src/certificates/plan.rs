//! What is to be done next about the certificate: a pure function, so that whoever gets the lease in the middle of a
//! renewal goes on with it.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;

use super::keyring::Keyring;

/// What a certificate must be like, and how it is replaced.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// What clients call the server.
    pub(crate) names: Vec<ServerName<'static>>,
    /// How long a certificate is valid; with a third of it left, it is replaced.
    pub(crate) lifetime: Duration,
    /// How long clients and replicas may take to see a change.
    pub(crate) overlap: Duration,
    /// What checks certificates.
    pub(crate) provider: Arc<CryptoProvider>,
}

/// How things are.
#[derive(Debug)]
pub(crate) struct Situation<'a> {
    /// The Secret's content.
    pub(crate) keyring: &'a Keyring,
    /// Whether clients are told the keyring's CAs: `None` when there is nothing that tells them.
    pub(crate) is_bundled: Option<bool>,
    /// How long it has been so, by a clock that nobody sets.
    pub(crate) unchanged: Duration,
    /// Now, since 1970.
    pub(crate) now: Duration,
}

/// The clock may be set meanwhile, so it is looked at now and then.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Put a new certificate in the place of the current one at once: it serves nobody.
    Replace,
    /// Make the next certificate.
    Stage,
    /// Tell clients the CAs of the keyring.
    Bundle,
    /// Serve the next certificate; its predecessor's CA stays trusted.
    Promote,
    /// Forget the previous CA.
    Retire,
    /// Nothing before this time has passed or something changed.
    Wait(Duration),
}

impl Policy {
    /// The next step.
    #[must_use]
    pub(crate) fn step(&self, situation: &Situation<'_>) -> Step {
        let Situation { keyring, is_bundled, unchanged, now } = situation;
        let left = self.overlap.saturating_sub(*unchanged);
        let current_is_good = self.is_good(keyring.current.as_ref(), *now);
        let next_is_good = self.is_good(keyring.next.as_ref(), *now);
        match (current_is_good, next_is_good) {
            (false, true) => return Step::Promote,
            (false, false) => return Step::Replace,
            (true, _) => {}
        }
        if *is_bundled == Some(false) {
            return Step::Bundle;
        }
        match (&keyring.next, &keyring.previous_ca) {
            (Some(_), _) if !next_is_good => Step::Stage,
            (Some(_), _) if left.is_zero() => Step::Promote,
            (None, Some(_)) if left.is_zero() => Step::Retire,
            (Some(_), _) | (None, Some(_)) => Step::Wait(left),
            (None, None) if !self.is_good(keyring.current.as_ref(), *now + self.lifetime / 3) => {
                Step::Stage
            }
            (None, None) => Step::Wait((self.lifetime / 24).min(LONGEST_WAIT)),
        }
    }

    fn is_good(&self, pair: Option<&super::pair::Pair>, at: Duration) -> bool {
        pair.is_some_and(|pair| pair.check(&self.names, at, &self.provider).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::certificates::issue::issue;
    use crate::certificates::pair::Pair;

    const HOUR: Duration = Duration::from_secs(60 * 60);
    const LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
    const OVERLAP: Duration = Duration::from_secs(60);

    fn policy(name: &str) -> Policy {
        Policy {
            names: vec![ServerName::try_from(name.to_owned()).unwrap()],
            lifetime: LIFETIME,
            overlap: OVERLAP,
            provider: Arc::new(rustls::crypto::ring::default_provider()),
        }
    }

    fn pair() -> Option<Pair> {
        Some(issue(&["a.svc".to_owned()], SystemTime::now(), LIFETIME).unwrap())
    }

    fn step(
        keyring: &Keyring,
        bundled: Option<bool>,
        unchanged: Duration,
        ahead: Duration,
    ) -> Step {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() + ahead;
        policy("a.svc").step(&Situation { keyring, is_bundled: bundled, unchanged, now })
    }

    #[test]
    fn a_renewal_goes_step_by_step_and_clients_know_each_ca_before_it_serves() {
        let (some, zero) = (Some(true), Duration::ZERO);
        let mut keyring = Keyring::default();
        assert_eq!(step(&keyring, Some(false), zero, zero), Step::Replace);
        keyring.current = pair();
        assert_eq!(step(&keyring, Some(false), zero, zero), Step::Bundle);
        assert!(matches!(step(&keyring, some, zero, zero), Step::Wait(_)));
        assert!(matches!(step(&keyring, some, LIFETIME, LIFETIME / 3), Step::Wait(_)));
        let late = LIFETIME * 2 / 3 + HOUR;
        assert_eq!(step(&keyring, some, zero, late), Step::Stage);
        keyring.next = pair();
        assert_eq!(step(&keyring, Some(false), OVERLAP, zero), Step::Bundle);
        assert_eq!(step(&keyring, some, OVERLAP / 2, zero), Step::Wait(OVERLAP / 2));
        assert_eq!(step(&keyring, some, OVERLAP, zero), Step::Promote);
        let old = std::mem::replace(&mut keyring.current, keyring.next.take()).unwrap();
        keyring.previous_ca = Some(old.ca);
        assert_eq!(step(&keyring, some, zero, zero), Step::Wait(OVERLAP));
        assert_eq!(step(&keyring, some, OVERLAP, zero), Step::Retire);
    }

    #[test]
    fn what_serves_nobody_is_replaced_at_once() {
        let mut keyring = Keyring { current: pair(), ..Keyring::default() };
        let expired = LIFETIME + HOUR;
        for bundled in [None, Some(true), Some(false)] {
            assert_eq!(step(&keyring, bundled, Duration::ZERO, expired), Step::Replace);
        }
        // Another name, as after a change of the Service.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let situation =
            Situation { keyring: &keyring, is_bundled: Some(true), unchanged: Duration::ZERO, now };
        assert_eq!(policy("b.svc").step(&situation), Step::Replace);
        // A next one that is good is better than none.
        keyring.next = keyring.current.take();
        assert_eq!(step(&keyring, Some(true), Duration::ZERO, Duration::ZERO), Step::Promote);
        // And one that is not is made again.
        keyring.current = pair();
        keyring.next = Some(Pair { key: "none".to_owned(), ..pair().unwrap() });
        assert_eq!(step(&keyring, Some(true), Duration::ZERO, Duration::ZERO), Step::Stage);
    }

    #[test]
    fn where_nothing_tells_clients_only_time_counts() {
        let keyring = Keyring { current: pair(), next: pair(), previous_ca: None };
        assert_eq!(step(&keyring, None, Duration::ZERO, Duration::ZERO), Step::Wait(OVERLAP));
        assert_eq!(step(&keyring, None, OVERLAP, Duration::ZERO), Step::Promote);
    }
}
