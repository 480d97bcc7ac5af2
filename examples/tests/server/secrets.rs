//! What instances share by `SECRET_KEYS`: cursors and tokens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};

use crate::client::{ask, get, send};
use crate::program::Server;

const LIST: &str = "/api/v1/plugins";

fn secret(byte: u8) -> String {
    STANDARD.encode([byte; 32])
}

fn with_secrets(secrets: &str) -> Server {
    Server::start(&[("DATABASE_URL", "memory:"), ("SECRET_KEYS", secrets)])
}

/// An `Authorization` header with a token that the secret of 32 such bytes signs.
fn token(byte: u8, claims: &Value) -> String {
    let mut claims = claims.clone();
    claims["exp"] = (get_current_timestamp() + 600).into();
    let token = encode(
        &Header::default(),
        &claims,
        &EncodingKey::from_secret(&[byte; 32]),
    );
    format!("authorization: Bearer {}\r\n", token.unwrap())
}

#[test]
fn a_cursor_holds_on_every_instance_and_after_a_restart_until_its_secret_is_gone() {
    let old = secret(1);
    let first = with_secrets(&old);
    let next = get(&first, "acme", LIST).next().unwrap().to_owned();
    let expected = get(&first, "acme", &next).body;
    drop(first);
    for (secrets, status) in [
        (old.clone(), 200),
        (format!("{},{old}", secret(2)), 200),
        (secret(2), 400),
    ] {
        let other = with_secrets(&secrets);
        let answer = get(&other, "acme", &next);
        assert_eq!(answer.status, status, "{}", answer.body);
        // Sealed with another secret, its cursors differ; the rows do not.
        if status == 200 {
            let items = |body: &str| serde_json::from_str::<Value>(body).unwrap()["items"].clone();
            assert_eq!(items(&answer.body), items(&expected));
        }
    }
    let unset = Server::in_memory();
    assert_eq!(get(&unset, "acme", &next).status, 400);
}

#[test]
fn a_token_names_the_tenant_and_the_user() {
    let server = with_secrets(&format!("{},{}", secret(1), secret(2)));
    let status = |host: &str, token: &str| {
        let head = format!("GET {LIST} HTTP/1.1\r\nhost: {host}\r\n{token}");
        send(&server, &head, "").status
    };
    let acme = json!({ "tenant": "acme", "sub": "ann" });
    for byte in [1, 2] {
        assert_eq!(status("localhost", &token(byte, &acme)), 200);
        assert_eq!(status("acme.localhost", &token(byte, &acme)), 200);
    }
    assert_eq!(
        status("globex.localhost", &token(1, &acme)),
        400,
        "they disagree"
    );
    assert_eq!(status("localhost", &token(3, &acme)), 400, "not ours");
    assert_eq!(status("localhost", ""), 404);

    let path = "/api/v1/user/profile";
    let ann = token(1, &acme);
    let profile = r#"{"display_name":"Ann"}"#;
    assert_eq!(ask(&server, "PUT", "acme", path, &ann, profile).status, 200);
    // What the token says counts, whatever else is said.
    let both = format!("{ann}x-user-id: bob\r\n");
    let seen = ask(&server, "GET", "acme", path, &both, "");
    assert_eq!((seen.status, &seen.json()["user_id"]), (200, &json!("ann")));
    assert_eq!(seen.json()["display_name"], "Ann");
    let bob = token(1, &json!({ "tenant": "acme", "sub": "bob" }));
    let seen = ask(&server, "GET", "acme", path, &bob, "");
    assert_eq!(seen.json()["display_name"], "");
    for nobody in [json!({ "tenant": "acme" }), json!({ "sub": "ann" })] {
        let answer = ask(&server, "GET", "acme", path, &token(1, &nobody), "");
        assert_eq!(answer.status, 401, "{nobody}");
    }
}

#[test]
fn what_is_not_set_is_said() {
    let nine = [1; 9].map(secret).join(",");
    let output = crate::program::output(&[("SECRET_KEYS", &nine)]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text, "SECRET_KEYS with 9 secrets: expected 1 to 8\n");
}
