//! Facts about keys and the files they lie in.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::trust::random::Seeded;

#[test]
fn a_key_is_read_back_from_its_file_and_signs_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signing.pem");
    let key = SigningKey::generate(&mut Seeded::new(1)).unwrap();
    key.save(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    let again = SigningKey::load(&path).unwrap();
    assert_eq!(again.sign(b"entry"), key.sign(b"entry"));
}

#[test]
fn an_encryption_key_is_read_back_from_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("encryption.hex");
    let key = EncryptionKey::generate(&mut Seeded::new(2)).unwrap();
    key.save(&path).unwrap();
    let again = EncryptionKey::load(&path).unwrap();
    assert_eq!(again.public(), key.public());
    assert_eq!(again.secret(), key.secret());
}

#[test]
fn a_key_file_that_others_may_read_is_refused_with_the_command_to_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transport.pem");
    let key = TransportKey::generate(&mut Seeded::new(3)).unwrap();
    key.save(&path).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o660, 0o644] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let error = TransportKey::load(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::TooOpen { mode: seen, .. } if seen == mode));
        let words = error.to_string();
        assert!(words.contains(&format!("chmod 600 {}", path.display())));
    }
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
    assert!(TransportKey::load(&path).is_ok());
}

#[test]
fn a_key_file_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signing.pem");
    let first = SigningKey::generate(&mut Seeded::new(4)).unwrap();
    first.save(&path).unwrap();
    let second = SigningKey::generate(&mut Seeded::new(5)).unwrap();
    assert!(matches!(
        second.save(&path),
        Err(KeyFileError::Write { .. })
    ));
    let kept = SigningKey::load(&path).unwrap();
    assert_eq!(kept.public(), first.public());
}

#[test]
fn a_file_with_something_else_in_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    file::write_new(&path, b"not a key").unwrap();
    assert!(matches!(
        SigningKey::load(&path),
        Err(KeyFileError::Malformed {
            what: "signing",
            ..
        })
    ));
    assert!(matches!(
        EncryptionKey::load(&path),
        Err(KeyFileError::Malformed {
            what: "encryption",
            ..
        })
    ));
}

#[test]
fn a_private_key_prints_its_purpose_and_nothing_else() {
    let key = SigningKey::generate(&mut Seeded::new(6)).unwrap();
    assert_eq!(format!("{key:?}"), "PrivateKey(signing)");
    let key = EncryptionKey::generate(&mut Seeded::new(6)).unwrap();
    assert_eq!(format!("{key:?}"), "EncryptionKey");
}

#[test]
fn the_key_id_is_the_head_of_the_digest_of_the_public_key() {
    let key = SigningKey::generate(&mut Seeded::new(7)).unwrap();
    let digest: [u8; 32] = Sha256::digest(key.public().as_bytes()).into();
    assert_eq!(key.public().key_id().as_bytes(), &digest[..8]);
}

#[test]
fn the_fingerprint_is_the_digest_of_the_key_as_certificates_carry_it() {
    use rcgen::PublicKeyData;
    let key = TransportKey::generate(&mut Seeded::new(8)).unwrap();
    let spki = key.subject_public_key_info();
    assert_eq!(key.public().fingerprint(), Fingerprint::of_spki(&spki));
}

#[test]
fn weak_points_and_other_signatures_are_refused() {
    let mut identity_point = [0; 32];
    identity_point[0] = 1;
    assert_eq!(PublicKey::from_bytes(&identity_point), Err(KeyError::Point));
    assert_eq!(PublicKey::from_bytes(&[1; 31]), Err(KeyError::Point));
    let key = SigningKey::generate(&mut Seeded::new(9)).unwrap();
    let mut signature = key.sign(b"entry");
    assert_eq!(key.public().verify(b"entry", &signature), Ok(()));
    assert_eq!(
        key.public().verify(b"Entry", &signature),
        Err(KeyError::Signature)
    );
    signature[10] ^= 1;
    assert_eq!(
        key.public().verify(b"entry", &signature),
        Err(KeyError::Signature)
    );
}
