use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use towerblock_core::{Stats as _, Value};

use super::{AHEAD, LENGTH, TokenKeys};
use crate::ReadToken;
use crate::lsn::{Lsn, Position};

const NOW: u64 = 1_800_000_000;
const CLUSTER: u64 = 7_654_321;

fn keys(secrets: &[[u8; 32]]) -> TokenKeys {
    TokenKeys::new(secrets).unwrap()
}

fn sealed(keys: &TokenKeys) -> (ReadToken, String) {
    let token = keys.token(Position::new(3, Lsn(0x16_B374_D848)), CLUSTER, NOW);
    let text = keys.seal(&token, NOW).unwrap();
    (token, text)
}

/// Forged, expired, from the future.
fn refused(keys: &TokenKeys) -> [u64; 3] {
    let mut refused = Vec::new();
    keys.read(&mut |_, _, value| match value {
        Value::Count(count) => refused.push(count),
        other => panic!("{other:?}"),
    });
    refused.try_into().unwrap()
}

#[test]
fn a_ring_has_one_to_eight_long_secrets() {
    let fault = |lengths: &[usize]| {
        let secrets = lengths.iter().map(|length| vec![7; *length]);
        TokenKeys::new(secrets).err().map(|fault| fault.to_string())
    };
    assert_eq!(fault(&[32]), None);
    assert_eq!(fault(&[64; 8]), None);
    let none = "no secret given to seal read tokens with";
    assert_eq!(fault(&[]).as_deref(), Some(none));
    let many = "9 secrets given to open read tokens with, at most 8 are tried";
    assert_eq!(fault(&[32; 9]).as_deref(), Some(many));
    let short = "secret number 2 has 31 bytes, at least 32 are needed";
    assert_eq!(fault(&[32, 31]).as_deref(), Some(short));
}

#[test]
fn a_ring_does_not_print_its_secrets() {
    let printed = format!("{:?}", keys(&[[b'x'; 32]]));
    assert_eq!(printed, "TokenKeys { keys: 1, lifetime: 60, .. }");
}

#[test]
fn the_first_seals_and_all_open() {
    let (token, old) = sealed(&keys(&[[1; 32]]));
    let both = keys(&[[2; 32], [1; 32]]);
    assert_eq!(both.open(old.as_bytes(), NOW), Some(token));
    let (token, new) = sealed(&both);
    assert_eq!(keys(&[[2; 32]]).open(new.as_bytes(), NOW), Some(token));
    let older = keys(&[[1; 32]]);
    assert_eq!(older.open(new.as_bytes(), NOW), None);
    assert_eq!(refused(&older), [1, 0, 0]);
}

#[test]
fn a_token_lives_from_its_write_to_its_expiry() {
    let keys = keys(&[[1; 32]]);
    let (token, text) = sealed(&keys);
    let opens = |now| keys.open(text.as_bytes(), now).is_some();
    assert!(opens(NOW) && opens(NOW + 60));
    assert!(opens(NOW - AHEAD));
    assert_eq!(refused(&keys), [0; 3]);
    assert!(!opens(NOW + 61) && !opens(u64::MAX));
    assert_eq!(refused(&keys), [0, 2, 0]);
    assert!(!opens(NOW - AHEAD - 1) && !opens(0));
    assert_eq!(refused(&keys), [0, 2, 2]);
    assert_eq!(keys.seal(&token, NOW + 60), Some(text));
    assert_eq!(keys.seal(&token, NOW + 61), None);
}

#[test]
fn the_lifetime_is_told_in_whole_seconds_and_at_least_one() {
    let seconds = |lifetime| keys(&[[1; 32]]).lifetime(lifetime).seconds();
    assert_eq!(seconds(Duration::from_millis(2_900)), 2);
    assert_eq!(seconds(Duration::ZERO), 1);
    let short = keys(&[[1; 32]]).lifetime(Duration::from_secs(10));
    let (_, long) = sealed(&keys(&[[1; 32]]));
    assert_eq!(short.open(long.as_bytes(), NOW), None);
    assert_eq!(refused(&short), [0, 0, 1]);
    assert_eq!(sealed(&short).0.expires, NOW + 10);
}

#[test]
fn a_token_with_one_bit_changed_or_one_byte_less_is_forged() {
    let keys = keys(&[[1; 32]]);
    let (_, text) = sealed(&keys);
    assert_eq!(text.len(), LENGTH);
    let whole = URL_SAFE_NO_PAD.decode(&text).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut forged = whole.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        let forged = URL_SAFE_NO_PAD.encode(forged);
        assert_eq!(keys.open(forged.as_bytes(), NOW), None, "{bit}");
    }
    for length in 0..text.len() {
        assert_eq!(keys.open(&text.as_bytes()[..length], NOW), None);
    }
    let all = whole.len() * 8 + text.len();
    assert_eq!(refused(&keys), [u64::try_from(all).unwrap(), 0, 0]);
}

proptest! {
    #[test]
    fn it_opens_what_it_sealed(
        timeline in any::<u32>(),
        lsn in any::<u64>(),
        cluster in any::<u64>(),
        now in 0..u64::MAX / 2,
    ) {
        let keys = keys(&[[1; 32]]);
        let token = keys.token(Position::new(timeline, Lsn(lsn)), cluster, now);
        let text = keys.seal(&token, now).unwrap();
        prop_assert_eq!(text.len(), LENGTH);
        prop_assert_eq!(keys.open(text.as_bytes(), now), Some(token));
        prop_assert_eq!(Some(text), keys.seal(&token, now));
    }

    #[test]
    fn no_text_makes_opening_panic(
        text in any::<Vec<u8>>(),
        whole in proptest::collection::vec(any::<u8>(), super::WHOLE),
    ) {
        let keys = keys(&[[1; 32]]);
        prop_assert_eq!(keys.open(&text, NOW), None);
        prop_assert_eq!(keys.open(URL_SAFE_NO_PAD.encode(&whole).as_bytes(), NOW), None);
    }
}
