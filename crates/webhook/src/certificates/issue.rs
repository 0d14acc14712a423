//! Makes certificates.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use super::pair::Pair;

/// How much earlier than now a certificate begins to be valid: another machine's clock may be behind ours.
const CLOCK_SKEW: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes a CA and a certificate of it that is valid for `names` until `lifetime` from now, both with keys of
/// their own (ECDSA, P-256). The CA's key is gone when this returns.
///
/// # Errors
/// When a name is none, or there is no randomness.
pub fn issue(names: &[String], now: SystemTime, lifetime: Duration) -> Result<Pair, rcgen::Error> {
    let (from, until) = ((now - CLOCK_SKEW).into(), (now + lifetime).into());
    let mut ca = CertificateParams::default();
    (ca.not_before, ca.not_after) = (from, until);
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    ca.distinguished_name.push(DnType::CommonName, "fpga-webhook CA");
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;

    let mut leaf = CertificateParams::new(names)?;
    (leaf.not_before, leaf.not_after) = (from, until);
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.distinguished_name.push(DnType::CommonName, "fpga-webhook");
    let key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&key, &ca)?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem(), ca: ca.pem() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::pki_types::ServerName;

    use super::*;
    use crate::certificates::pair::PairError;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn clients_accept_it_for_its_names_and_its_time() {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let now = SystemTime::now();
        let names = ["fpga-webhook.kube-fpga.svc".to_owned(), "127.0.0.1".to_owned()];
        let pair = issue(&names, now, 10 * DAY).unwrap();
        let names = names.map(|name| ServerName::try_from(name).unwrap());
        let other = [ServerName::try_from("other.svc").unwrap()];
        let epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let hour = DAY / 24;
        for (at, good) in [
            (epoch, true),
            (epoch - 23 * hour, true),
            (epoch - 25 * hour, false),
            (epoch + 10 * DAY - hour, true),
            (epoch + 10 * DAY + hour, false),
        ] {
            assert_eq!(pair.check(&names, at, &provider).is_ok(), good, "{at:?}");
        }
        let refused = pair.check(&other, epoch, &provider).unwrap_err();
        assert!(matches!(refused, PairError::Refused { .. }), "{refused}");
    }

    #[test]
    fn a_pair_of_two_is_refused_and_no_key_is_shown() {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let names = ["a.svc".to_owned()];
        let one = issue(&names, SystemTime::now(), DAY).unwrap();
        let other = issue(&names, SystemTime::now(), DAY).unwrap();
        assert_ne!(one.ca, other.ca);
        let mixed = Pair { key: other.key.clone(), ..one.clone() };
        assert!(matches!(mixed.load(&provider), Err(PairError::Match(_))));
        let mixed = Pair { ca: other.ca, ..one.clone() };
        let names = [ServerName::try_from("a.svc").unwrap()];
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert!(matches!(mixed.check(&names, now, &provider), Err(PairError::Refused { .. })));
        let shown = format!("{one:?}");
        assert!(!shown.contains("PRIVATE KEY") && shown.contains("CERTIFICATE"), "{shown}");
    }
}
