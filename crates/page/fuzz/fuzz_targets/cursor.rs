//! What a client may send as a page: no bytes make it panic, and none but those that were
//! sealed for a place open it.
//!
//! ```console
//! $ cargo +nightly fuzz run cursor       # in crates/page
//! ```

#![no_main]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::ops::Bound;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use form_urlencoded::byte_serialize;
use http::Request;
use http::request::Parts;
use libfuzzer_sys::fuzz_target;
use tower_layer::Layer;
use tower_service::Service;
use towerblock_page::{
    Column, Direction, KeyRing, Keyset, PageError, PageLayer, PageRequest, Seek, Type, Unique,
};

static LAYER: LazyLock<PageLayer> = LazyLock::new(|| {
    let keys = KeyRing::new([[1; 32], [2; 32]]).expect("two keys");
    PageLayer::new(keys)
});

static KEYSET: LazyLock<Keyset> = LazyLock::new(|| {
    let name = Column::asc("name", Type::BYTEA).nulls_last();
    Keyset::new("fuzz/1", [name], Unique::asc("id", Type::INT4))
});

fuzz_target!(|data: &[u8]| {
    // As the whole query of a URI, if it can be one.
    let mut uri = b"/list?".to_vec();
    uri.extend(data);
    if let Ok(request) = Request::get(&*uri).body(()) {
        let _refused = read(request).map(|seek| seek.start::<(Option<Vec<u8>>, i32)>());
    }

    // As a cursor.
    let sealed = seal(None, 7);
    let given: String = byte_serialize(data).collect();
    if data != sealed.as_bytes() {
        refused(&given);
    }

    // As a change of a cursor: at a place, by some bits, to a length.
    if let [place, bits, length, ..] = *data {
        let mut text = sealed.clone().into_bytes();
        let place = usize::from(place) % text.len();
        text[place] ^= bits;
        text.truncate(usize::from(length).max(1));
        if text != sealed.as_bytes() {
            refused(&byte_serialize(&text).collect::<String>());
        }
    }

    // As a key: what is sealed opens, and is what it was.
    if data.len() < 1_000 {
        let cursor = seal(Some(data.to_vec()), -1);
        let seek = ask(&cursor).expect("it was sealed for this list");
        let (direction, start) = seek
            .start::<(Option<Vec<u8>>, i32)>()
            .expect("it was of this type");
        assert_eq!(direction, Direction::Forward);
        assert_eq!(start, Bound::Excluded((Some(data.to_vec()), -1)));
    }
});

/// The cursor after a row of this key.
fn seal(name: Option<Vec<u8>>, id: i32) -> String {
    let seek = read(Request::get("/list?limit=1").body(()).expect("a URI")).expect("a page");
    let page = seek.page_of([id, id], |id| (name.clone(), *id));
    page.expect("a page").next().expect("one more").to_owned()
}

fn refused(cursor: &str) {
    let refused = ask(cursor).expect_err("nobody sealed it");
    let refusal = refused.rejected().expect("it is the client's");
    assert_eq!(refusal.to_string(), "refused by page: invalid cursor");
}

fn ask(cursor: &str) -> Result<Seek, PageError> {
    match Request::get(format!("/list?cursor={cursor}")).body(()) {
        Ok(request) => read(request),
        // Too long for a URI: no request of it ever comes.
        Err(_) => read(Request::get("/list?cursor=").body(()).expect("a URI")),
    }
}

fn read(request: Request<()>) -> Result<Seek, PageError> {
    let parts = LAYER.layer(Take).call(request).into_inner();
    PageRequest::read(&parts.expect("never fails"))?.seek(&KEYSET)
}

/// Answers with what the layer has made of the request.
struct Take;

impl Service<Request<()>> for Take {
    type Response = Parts;
    type Error = Infallible;
    type Future = Ready<Result<Parts, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        ready(Ok(request.into_parts().0))
    }
}
