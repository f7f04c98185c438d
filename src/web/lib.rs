//! What speaks HTTP and TLS: asking one endpoint, certificates as clients see them, webhooks.

pub mod http;
pub mod tls;
pub mod webhook;
