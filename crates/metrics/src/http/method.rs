use http::Method;

/// The label of each method; whatever else a client sends is `_OTHER`.
pub(crate) const METHODS: [&str; 10] = [
    "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE", "_OTHER",
];

/// The place of a method among them.
#[inline]
pub(crate) fn place(method: &Method) -> usize {
    match *method {
        Method::GET => 0,
        Method::POST => 1,
        Method::PUT => 2,
        Method::DELETE => 3,
        Method::HEAD => 4,
        Method::OPTIONS => 5,
        Method::PATCH => 6,
        Method::CONNECT => 7,
        Method::TRACE => 8,
        _ => 9,
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::{METHODS, place};

    #[test]
    fn each_method_has_its_own_label_and_strangers_share_one() {
        for (at, name) in METHODS.iter().enumerate().take(9) {
            assert_eq!(place(&name.parse::<Method>().unwrap()), at);
        }
        for strange in ["BREW", "get", "_OTHER", "PROPFIND"] {
            assert_eq!(METHODS[place(&strange.parse().unwrap())], "_OTHER");
        }
    }
}
