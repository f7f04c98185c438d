//! What a `bg.toml` that does not say means.

use std::path::PathBuf;

use super::duration::Span;

pub(super) fn branch() -> String {
    "main".into()
}

pub(super) fn stop_timeout() -> Span {
    Span::seconds(30)
}

pub(super) fn workers() -> u32 {
    1
}

pub(super) fn method() -> String {
    "GET".into()
}

pub(super) fn expect() -> Vec<u16> {
    vec![200]
}

pub(super) fn nginx_bin() -> PathBuf {
    "nginx".into()
}

pub(super) fn nginx_conf() -> PathBuf {
    "/etc/nginx/nginx.conf".into()
}

pub(super) fn nginx_include() -> PathBuf {
    "conf.d".into()
}

pub(super) fn listen() -> Vec<String> {
    vec!["80".into()]
}

pub(super) fn paths() -> Vec<String> {
    vec!["/".into()]
}

pub(super) fn body_size() -> String {
    "10m".into()
}

pub(super) fn proxy_timeout() -> Span {
    Span::seconds(60)
}
