//! Tokens that somebody else signs, with a key that we know only one half of. The keys in
//! `keys/` were made for these tests and open nothing.

use http::Request;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::json;
use towerblock_tenant::{JwtClaim, JwtKey, Resolve};

const RSA: [&[u8]; 2] = [
    include_bytes!("keys/rsa.pem"),
    include_bytes!("keys/rsa.pub.pem"),
];
const EC: [&[u8]; 2] = [
    include_bytes!("keys/ec.pem"),
    include_bytes!("keys/ec.pub.pem"),
];
const ED: [&[u8]; 2] = [
    include_bytes!("keys/ed25519.pem"),
    include_bytes!("keys/ed25519.pub.pem"),
];

fn token(algorithm: Algorithm, key: &EncodingKey) -> String {
    let claims =
        json!({ "tenant": "acme", "sub": "ann", "n": 1, "exp": get_current_timestamp() + 60 });
    encode(&Header::new(algorithm), &claims, key).unwrap()
}

fn names_acme(claim: &JwtClaim, token: &str) -> bool {
    let req = Request::get("/").header("authorization", format!("Bearer {token}"));
    let (parts, ()) = req.body(()).unwrap().into_parts();
    let named = claim.resolve(&parts);
    named.is_ok_and(|claim| claim.is_some_and(|claim| claim.name() == "acme"))
}

#[test]
fn each_kind_of_key_verifies_its_own_algorithm_and_no_other() {
    let known = [
        JwtKey::rs256_pem(RSA[1]).unwrap(),
        JwtKey::es256_pem(EC[1]).unwrap(),
        JwtKey::eddsa_pem(ED[1]).unwrap(),
    ];
    let claims = known.map(|key| JwtClaim::new("tenant", [key]));
    let tokens = [
        token(
            Algorithm::RS256,
            &EncodingKey::from_rsa_pem(RSA[0]).unwrap(),
        ),
        token(Algorithm::ES256, &EncodingKey::from_ec_pem(EC[0]).unwrap()),
        token(Algorithm::EdDSA, &EncodingKey::from_ed_pem(ED[0]).unwrap()),
    ];
    for (known, claim) in claims.iter().enumerate() {
        for (signed, token) in tokens.iter().enumerate() {
            assert_eq!(
                names_acme(claim, token),
                known == signed,
                "{known} {signed}"
            );
        }
        // The public half is no secret: a token that it "signs" is worth nothing.
        for [_, public] in [RSA, EC, ED] {
            let forged = token(Algorithm::HS256, &EncodingKey::from_secret(public));
            assert!(!names_acme(claim, &forged), "{known}");
        }
    }
    let rs512 = token(
        Algorithm::RS512,
        &EncodingKey::from_rsa_pem(RSA[0]).unwrap(),
    );
    assert!(!names_acme(&claims[0], &rs512));
}

#[test]
fn the_rest_of_a_token_can_be_read_once_it_is_verified() {
    let claim = JwtClaim::new("tenant", [JwtKey::es256_pem(EC[1]).unwrap()]);
    let token = token(Algorithm::ES256, &EncodingKey::from_ec_pem(EC[0]).unwrap());
    let claims = claim.verify(&token).unwrap();
    assert_eq!(claims.get("sub").map(String::as_str), Some("ann"));
    assert_eq!(claims.get("n"), None, "only what is text");
    assert_eq!(claim.verify(&token[1..]), None);
}
