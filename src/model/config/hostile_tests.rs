use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use testkit::hostile;

use super::Config;
use super::duration::Span;
use super::read::parse;
use crate::color::Route;
use crate::instance::Instance;
use crate::layout::Layout;
use crate::listen::Listener;
use crate::release::ReleaseId;

const FILES: &[&str] = &[
    r#"app = "shop"
root = "/srv/shop"
shared = ["uploads", "instance/shop.db"]
env = { file = ".env", set = { LOG_LEVEL = "info" } }
[source]
git = "https://example.com/you/shop.git"
folder = "backend"
[process]
run = "{{venv}}/bin/python -m gunicorn -b 127.0.0.1:{{ port }} 'app:app'"
ports.blue = 6001
ports.green = 6002
stop_timeout = "1m 500ms"
[[health]]
path = "/health?deep=1"
headers = { Accept = "application/json" }
json = { pointer = "/checks/0", equals = { ok = true, load = 0.5 } }
[nginx]
server_names = ["example.com", "*.example.com"]
listen = ["80", "443 ssl http2"]
static = [{ url = "/static/", folder = "shop/static" }]
tls = { certificate = "/etc/ssl/shop.pem", key = "/etc/ssl/shop.key" }
[keep]
warm = "15m"
"#,
    r#"app = "shop"
hosts = ["web1", "deploy@web2:2222"]
root = "/srv/my shop"
source.git = "/home/you/shop"
process.run = "{{ venv }}/bin/python -m gunicorn -b 127.0.0.1:{{ port }} app:app"
process.ports = { blue = 5001, green = 5002 }
nginx.server_names = ["example.com"]
[[worker]]
name = "sync"
run = "{{ venv }}/bin/python work.py"
[hooks]
on_failure = ["bin/one", { run = "bin/two", timeout = "9s" }]
"#,
];

/// Long enough on the busiest machine, and never for what takes the square of it.
const SOON: Duration = Duration::from_secs(120);

fn read(text: &str) -> Result<Config, String> {
    parse(text, Path::new("bg.toml")).map_err(|error| error.to_string())
}

/// The message names a line that there is.
fn names_its_line(text: &str, message: &str) -> bool {
    let named = message.split("bg.toml:").nth(1);
    let line = named.and_then(|rest| rest.split(':').next()?.parse::<usize>().ok());
    line.is_some_and(|line| (1..=text.matches('\n').count() + 1).contains(&line))
}

proptest! {
    #![proptest_config(hostile::few())]

    #[test]
    fn a_file_is_understood_as_it_is_or_the_line_is_named(text in hostile::text(FILES)) {
        match read(&text) {
            Ok(config) => {
                let written = toml::to_string(&config).unwrap();
                prop_assert_eq!(read(&written), Ok(config), "{}", written);
            }
            Err(message) => prop_assert!(names_its_line(&text, &message), "{}", message),
        }
    }

    /// Whatever passes as a name can neither leave a folder nor be taken for an option.
    #[test]
    fn no_name_leads_out_of_its_folder(name in hostile::name()) {
        let layout = Layout::new("/srv/shop");
        let is_one = |text: &str| !text.contains(['/', '\0', '\n']) && !text.starts_with(['.', '-']) && !text.is_empty();
        prop_assert!(!super::is_app_name(&name) || is_one(&name), "{:?}", name);
        if let Ok(id) = name.parse::<ReleaseId>() {
            prop_assert!(is_one(id.as_str()));
            prop_assert!(layout.release(&id).parent() == Some(&layout.releases()));
        }
        if super::is_app_name(&name) {
            let instance = Instance::named(&name);
            prop_assert_eq!(instance.to_string(), name.clone());
            prop_assert!(layout.instance_lock(&instance).parent() == Some(&layout.instances()));
        }
        if let Some(route) = Route::from_folder(&name) {
            prop_assert_eq!(route.folder(), name);
        }
    }

    #[test]
    fn a_listener_and_a_duration_read_back(listen in hostile::text(LISTENERS), span in hostile::text(SPANS)) {
        if let Ok(listener) = Listener::parse(&listen) {
            prop_assert!(!listener.text.contains([';', '{', '}', '"', '\n', '$']), "{:?}", listener.text);
            prop_assert_eq!(Listener::parse(&listener.text), Ok(listener));
        }
        if let Ok(span) = span.parse::<Span>() {
            prop_assert_eq!(span.to_string().parse::<Span>().ok(), Some(span));
        }
    }
}

const LISTENERS: &[&str] = &[
    "80",
    "[::]:443 ssl http2 backlog=511",
    "*:8443 quic reuseport",
    "127.0.0.1:80 default_server",
];
const SPANS: &[&str] = &["30s", "1h 30m", "1m 500ms", "PT30S"];

#[test]
fn depth_length_and_number_are_no_danger() {
    let many = 100_000;
    let began = Instant::now();
    let keys: String = (0..5_000).map(|n| format!("k{n} = {n}\n")).collect();
    let names = format!("nginx.server_names = [{}]\n", "\"a b\", ".repeat(5_000));
    let whole = FILES[1].replace("nginx.server_names = [\"example.com\"]\n", &names);
    let all = [
        format!("app = {}", "[".repeat(many)),
        "[".repeat(many),
        format!("app = {}", "{a=".repeat(many)),
        format!("{}app = 1", "a.".repeat(many)),
        format!("[{}app]", "a.".repeat(many)),
        format!("app = \"{}", "x".repeat(1 << 18)),
        format!("{} = 1", "x".repeat(1 << 18)),
        format!("app = \"\"\"{}\"\"\"", "\n".repeat(1 << 18)),
        format!("app = {}", "9".repeat(1 << 18)),
        format!("# {}\napp = 1", "é".repeat(1 << 17)),
        format!("app = \"{}\\q\"", "e\u{301}".repeat(many)),
        keys,
        whole,
    ];
    for text in &all {
        let message = read(text).unwrap_err();
        let begins: String = text.chars().take(20).collect();
        assert!(
            message.len() < 64 << 10,
            "{} bytes are said of {begins}",
            message.len()
        );
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    let message = read("\"\\u001b]0;x\\u0007\" = 1").unwrap_err();
    assert!(!message.contains('\u{1b}'), "{message:?}");
}
