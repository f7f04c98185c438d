//! What NGINX makes of the link: every trap in front of the app, with the real thing.

pub mod apps;
mod certbot;
mod kept;
mod maintenance;
mod private;
mod proof;
mod setting_up;
pub mod watch;
mod whose;

use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::path::PathBuf;

use crate::sandbox::{HOST, Sandbox};

/// The site's file.
fn site_file(sandbox: &Sandbox) -> PathBuf {
    sandbox.front.sites().join("shop.conf")
}

/// A site of its owner's: `inside` is all that stands in its `server`, besides address and
/// name. Nothing is reloaded.
pub(crate) fn write_own_site(sandbox: &Sandbox, inside: &str) {
    let listen = sandbox.address();
    let text = format!("# mine\nserver {{\n    listen {listen};\n    server_name {HOST};\n{inside}\n}}\n");
    fs::write(site_file(sandbox), text).unwrap();
}

/// One of the app's rendered files.
fn rendered(sandbox: &Sandbox, name: &str) -> PathBuf {
    let folder = sandbox.front.conf().parent().unwrap().join("bg/shop");
    folder.join(name)
}

/// `include` of a rendered file.
pub(crate) fn include(sandbox: &Sandbox, name: &str) -> String {
    format!("include \"{}\";", rendered(sandbox, name).display())
}

/// This machine's address towards others. No packet is sent.
fn outside() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback())
}
