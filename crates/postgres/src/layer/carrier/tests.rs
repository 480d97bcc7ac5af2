use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use proptest::prelude::*;

use towerblock_core::{Stats as _, Value};

use super::{Carrier, MOST};
use crate::lsn::{Lsn, Position};
use crate::{ReadToken, TokenKeys};

const NOW: u64 = 1_800_000_000;

fn keys() -> TokenKeys {
    TokenKeys::new([[1; 32]]).unwrap()
}

fn token(lsn: u64) -> ReadToken {
    keys().token(Position::new(1, Lsn(lsn)), 7, NOW)
}

fn text(lsn: u64) -> String {
    keys().seal(&token(lsn), NOW).unwrap()
}

fn read(carrier: &Carrier, lines: &[(HeaderName, &[u8])]) -> Option<ReadToken> {
    let mut headers = HeaderMap::new();
    for (name, line) in lines {
        headers.append(name, HeaderValue::from_bytes(line).unwrap());
    }
    carrier.read(&headers, &keys(), || NOW)
}

fn cookies(line: &str) -> Option<ReadToken> {
    read(&Carrier::cookie(), &[(COOKIE, line.as_bytes())])
}

fn written(carrier: &Carrier) -> HeaderMap {
    let mut headers = HeaderMap::new();
    carrier.write(&mut headers, &keys(), &token(5), NOW);
    headers
}

#[test]
fn a_cookie_is_found_among_others() {
    let text = text(5);
    for line in [
        format!("tb-read={text}"),
        format!("a=b; tb-read={text}; c=d"),
        format!("a=b;tb-read={text}"),
        format!(";;=; tb-read ; tb-read; xtb-read=x;   tb-read={text}  ;"),
    ] {
        assert_eq!(cookies(&line), Some(token(5)), "{line}");
    }
    for line in [
        String::new(),
        format!("xtb-read={text}"),
        format!("tb-read2={text}"),
        format!("TB-READ={text}"),
        format!("tb-read=\"{text}\""),
        format!("tb-read={text}x"),
        format!("a=tb-read={text}"),
    ] {
        assert_eq!(cookies(&line), None, "{line}");
    }
}

#[test]
fn of_several_the_newest_good_one_counts() {
    let (old, new) = (text(5), text(6));
    let both = format!("tb-read={new}; tb-read={old}; tb-read=forged");
    assert_eq!(cookies(&both), Some(token(6)));
    let (a, b) = (format!("tb-read={old}"), format!("x=y; tb-read={new}"));
    let lines = [(COOKIE, a.as_bytes()), (COOKIE, b.as_bytes())];
    assert_eq!(read(&Carrier::cookie(), &lines), Some(token(6)));
    let name = || HeaderName::from_static("x-read-token");
    let lines = [(name(), new.as_bytes()), (name(), old.as_bytes())];
    assert_eq!(read(&Carrier::header(), &lines), Some(token(6)));
    assert_eq!(read(&Carrier::cookie(), &lines), None);
}

#[test]
fn a_flood_of_cookies_is_opened_a_few_times() {
    let keys = keys();
    let forged = text(5).replace(|c| c != 'A', "A");
    let flood = format!("tb-read={forged}; ").repeat(10_000) + "tb-read=" + &text(5);
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, HeaderValue::try_from(flood).unwrap());
    assert_eq!(Carrier::cookie().read(&headers, &keys, || NOW), None);
    let mut forged = None;
    keys.read(&mut |_, reason, value| {
        if reason == "forged" {
            forged = Some(value);
        }
    });
    let most = u64::try_from(MOST).unwrap();
    assert!(matches!(forged, Some(Value::Count(count)) if count == most));
}

#[test]
fn a_cookie_is_for_this_host_over_tls_and_out_of_scripts_reach() {
    let headers = written(&Carrier::cookie());
    let expected = format!(
        "tb-read={}; Max-Age=60; Path=/; HttpOnly; SameSite=Lax; Secure",
        text(5)
    );
    assert_eq!(headers[SET_COOKIE], expected);
    let insecure = written(&Carrier::insecure_cookie());
    assert_eq!(insecure[SET_COOKIE], expected.trim_end_matches("; Secure"));
}

#[test]
fn other_cookies_of_the_response_stay_and_an_older_token_header_does_not() {
    let mut headers = HeaderMap::new();
    headers.insert(SET_COOKIE, HeaderValue::from_static("session=1"));
    headers.insert("x-read-token", HeaderValue::from_static("old"));
    for carrier in [Carrier::cookie(), Carrier::header()] {
        carrier.write(&mut headers, &keys(), &token(5), NOW);
    }
    assert_eq!(headers.get_all(SET_COOKIE).iter().count(), 2);
    let tokens: Vec<_> = headers.get_all("x-read-token").iter().collect();
    assert_eq!(tokens, [&text(5)]);
}

#[test]
fn either_may_have_another_name() {
    let name = HeaderName::from_static("mine");
    let cookie = written(&Carrier::cookie().named(name.clone()));
    let line = cookie[SET_COOKIE].to_str().unwrap();
    let (pair, _) = line.split_once(';').unwrap();
    assert_eq!(pair, format!("mine={}", text(5)));
    let carrier = Carrier::cookie().named(name.clone());
    assert_eq!(read(&carrier, &[(COOKIE, pair.as_bytes())]), Some(token(5)));
    let header = written(&Carrier::header().named(name));
    assert_eq!(header["mine"], text(5));
}

#[test]
fn an_expired_token_is_not_written() {
    let mut headers = HeaderMap::new();
    for carrier in [Carrier::cookie(), Carrier::header()] {
        carrier.write(&mut headers, &keys(), &token(5), NOW + 61);
    }
    assert!(headers.is_empty());
}

proptest! {
    #[test]
    fn no_header_makes_reading_panic(
        line in proptest::collection::vec(prop_oneof![32..127_u8, 128..=255_u8], 0..200),
    ) {
        let named = [b"tb-read=", &*line].concat();
        let lines = [
            (COOKIE, &*line),
            (COOKIE, &*named),
            (HeaderName::from_static("x-read-token"), &*line),
        ];
        prop_assert_eq!(read(&Carrier::cookie(), &lines), None);
        prop_assert_eq!(read(&Carrier::header(), &lines), None);
    }
}
