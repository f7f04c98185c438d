//! `[nginx]`.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::hashed::Hashed;
use super::super::{Bake, Canary, Nginx, Ports};
use super::findings::Findings;
use super::value::{
    Verdict, absolute, no_way_up, program, relative, safe_in_nginx, text, url_path, word, wrong,
};

pub(super) fn check(nginx: &Nginx, ports: Ports, findings: &mut Findings<'_, '_>) {
    files(nginx, findings);
    if nginx.server_names.is_empty() {
        let verdict = wrong("is empty", "write at least one name, as `[\"example.com\"]`");
        findings.value("nginx.server_names", verdict);
    }
    findings.each(
        "nginx.server_names",
        nginx.server_names.iter().map(|name| server_name(name)),
    );
    findings.value("nginx.refuse_unknown_names", unknown_names(nginx));
    findings.value("nginx.redirect_to_https", redirect(nginx));
    findings.value("nginx.http2", http2(nginx));
    listeners(nginx, ports, findings);
    locations(nginx, findings);
    super::health::headers(
        "nginx.probe.headers",
        &nginx.probe.headers,
        ("`nginx.server_names`", "write the name first there"),
        findings,
    );
    findings.value("nginx.max_body_size", size(&nginx.max_body_size));
    if let Some(port) = nginx.loopback_port {
        findings.value("nginx.loopback_port", loopback_port(port, nginx, ports));
    }
}

pub(super) fn canary(canary: &Canary, bake: &Bake, findings: &mut Findings<'_, '_>) {
    let mut before = None;
    for (index, step) in canary.steps.iter().enumerate() {
        let key = format!("canary.steps.{index}");
        if before >= Some(step.share) {
            let verdict = wrong(
                "is no more than the one before",
                "write rising shares, as `[\"5%\", \"25%\", \"50%\"]`",
            );
            findings.value(&key, verdict);
        }
        if step.lasts.is_some_and(|lasts| lasts.0.is_zero()) {
            let verdict = wrong("lasts no time", "write how long, or a share alone");
            findings.value(&key, verdict);
        }
        if step.lasts.is_some() && bake.lasts.0.is_zero() {
            let verdict = wrong(
                "goes on by itself, and `bake.for` says that nobody watches",
                "write a time there, or none here",
            );
            findings.value(&key, verdict);
        }
        before = Some(step.share);
    }
    let is_name = |name: &String| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        !name.is_empty() && name.bytes().all(fits)
    };
    if canary.cookie.as_ref().is_some_and(|name| !is_name(name)) {
        let verdict = wrong(
            "is no name that NGINX can look for",
            "write the name of a cookie of letters, digits and `_`",
        );
        findings.value("canary.cookie", verdict);
    }
}

pub(super) fn bake(bake: &Bake, findings: &mut Findings<'_, '_>) {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-.~".contains(&byte);
    for (index, path) in bake.net_except.iter().enumerate() {
        if path.trim_matches('/').is_empty() {
            let verdict = wrong("is every path", "write `net = false`");
            findings.value(&format!("bake.net_except.{index}"), verdict);
        } else if !path.starts_with('/') || !path.bytes().all(fits) {
            let verdict = wrong(
                "is no path that NGINX can be given here",
                "write one that begins with `/`, of letters, digits and `/_-.~`",
            );
            findings.value(&format!("bake.net_except.{index}"), verdict);
        }
    }
}

/// NGINX listens there beside everything else.
fn loopback_port(port: u16, nginx: &Nginx, ports: Ports) -> Verdict {
    let listens = |listen: &String| {
        let address = listen.split_whitespace().next().unwrap_or_default();
        address.rsplit(':').next() == Some(&*port.to_string())
    };
    let taken = match port {
        0 => return wrong("is 0", "write a free port from 1 to 65535"),
        _ if port == ports.blue => "is the port of `process.ports.blue`",
        _ if port == ports.green => "is the port of `process.ports.green`",
        _ if nginx.listen.iter().any(listens) => "is a port that `nginx.listen` names",
        _ => return Ok(()),
    };
    wrong(taken, "write another one, which is free")
}

fn files(nginx: &Nginx, findings: &mut Findings<'_, '_>) {
    findings.value("nginx.bin", program(&nginx.bin, "nginx"));
    findings.value("nginx.conf", absolute(&nginx.conf, "/etc/nginx/nginx.conf"));
    findings.value(
        "nginx.include",
        relative(&nginx.include, "the folder of `nginx.conf`", "conf.d"),
    );
    if let Some(site) = &nginx.site {
        let example = "sites-available/shop";
        findings.value(
            "nginx.site",
            relative(site, "the folder of `nginx.conf`", example),
        );
    }
    if let Some(templates) = &nginx.templates {
        let verdict = match templates.is_absolute() {
            true => absolute(templates, "templates"),
            false => relative(templates, "`root`", "templates"),
        };
        findings.value("nginx.templates", verdict);
    }
    if let Some(folder) = &nginx.link_folder {
        let verdict = in_nginx(folder, absolute(folder, "/var/lib/bluegreen/shop"));
        findings.value("nginx.link_folder", verdict);
    }
    if let Some(page) = &nginx.maintenance_page {
        let verdict = in_nginx(page, relative(page, "`<root>/shared`", "maintenance.html"));
        findings.value("nginx.maintenance_page", verdict);
    }
    if let Some(tls) = &nginx.tls {
        let files = [
            (
                "nginx.tls.certificate",
                &tls.certificate,
                "/etc/ssl/shop/fullchain.pem",
            ),
            ("nginx.tls.key", &tls.key, "/etc/ssl/shop/key.pem"),
        ];
        for (key, path, example) in files {
            findings.value(key, in_nginx(path, absolute(path, example)));
        }
    }
}

fn in_nginx(path: &Path, verdict: Verdict) -> Verdict {
    verdict.and_then(|()| safe_in_nginx(&path.to_string_lossy()))
}

fn server_name(name: &str) -> Verdict {
    let alone = |name: &str| format!("write the name alone, as `\"{name}\"`");
    if name.is_empty() {
        return wrong(
            "is empty",
            "write a name as `\"example.com\"`, or `\"_\"` for any",
        );
    }
    safe_in_nginx(name)?;
    if let Some((_, rest)) = name.split_once("://") {
        let host = rest.split(['/', ':']).next().unwrap_or_default();
        return wrong("is a URL, not a name", alone(host));
    }
    if name.contains(char::is_whitespace) {
        let names: Vec<&str> = name.split_whitespace().collect();
        return wrong(
            "contains a space",
            format!("write each name in quotes of its own: `{}`", quoted(&names)),
        );
    }
    if let Some((host, port)) = name.split_once(':')
        && port.parse::<u16>().is_ok()
    {
        return wrong("contains a port", alone(host) + "; the port belongs in `listen`");
    }
    if name.starts_with('~') {
        return wrong(
            "is a regular expression, which no probe can ask for",
            "write names, or a wildcard as `\"*.example.com\"`",
        );
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-*".contains(c);
    match name.chars().all(fits) && !name.starts_with('-') {
        true => Ok(()),
        false => wrong(
            "is not a host name",
            "write letters, digits, `.` and `-`, as `\"example.com\"`; other scripts in their `xn--` form",
        ),
    }
}

fn unknown_names(nginx: &Nginx) -> Verdict {
    let is_name = |name: &String| name != "_" && !name.contains('*');
    let mut listens = nginx.listen.iter();
    if !nginx.refuse_unknown_names {
        Ok(())
    } else if !nginx.server_names.iter().any(is_name) {
        wrong(
            "would refuse the probes, too: no name in `server_names` is one that they can ask for",
            "add one without a wildcard, as `\"www.example.com\"`",
        )
    } else if listens.any(|listen| listen.split_whitespace().any(|word| word == "default_server")) {
        wrong(
            "is not for a site that is itself the `default_server`",
            "take that word out of `listen`, or write `false`",
        )
    } else {
        Ok(())
    }
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    words.join(", ")
}

fn listeners(nginx: &Nginx, ports: Ports, findings: &mut Findings<'_, '_>) {
    if nginx.listen.is_empty() {
        findings.value("nginx.listen", wrong("is empty", "write `[\"80\"]`"));
    }
    let mut seen = BTreeSet::new();
    for (index, listen) in nginx.listen.iter().enumerate() {
        let address = listen.split_whitespace().next().unwrap_or_default();
        let verdict = listener(listen, ports).and_then(|()| match seen.insert(address) {
            true => Ok(()),
            false => wrong(
                format!("lists `{address}` twice"),
                "write each address once, with all its options",
            ),
        });
        findings.value(&format!("nginx.listen.{index}"), verdict);
    }
    let encrypted = nginx.listen.iter().position(|listen| is_encrypted(listen));
    match (encrypted, &nginx.tls) {
        (Some(index), None) => findings.value(
            &format!("nginx.listen.{index}"),
            wrong(
                "needs a certificate",
                "add `[nginx.tls]` with `certificate` and `key`, or listen without `ssl`",
            ),
        ),
        (None, Some(_)) => findings.value(
            "nginx.tls",
            wrong(
                "is used by no listener",
                "add `\"443 ssl\"` to `nginx.listen`, or remove the table",
            ),
        ),
        _ => {}
    }
}

fn redirect(nginx: &Nginx) -> Verdict {
    let encrypted = nginx.listen.iter().filter(|listen| is_encrypted(listen)).count();
    match nginx.redirect_to_https {
        true if encrypted == 0 || encrypted == nginx.listen.len() => wrong(
            "needs a listener with `ssl` and one without",
            "write `listen = [\"80\", \"443 ssl\"]`, and `[nginx.tls]`",
        ),
        _ => Ok(()),
    }
}

fn http2(nginx: &Nginx) -> Verdict {
    match nginx.http2 && !nginx.listen.iter().any(|listen| is_encrypted(listen)) {
        true => wrong(
            "works on TLS listeners only, and `listen` has none",
            "write `listen = [\"443 ssl\"]`, and `[nginx.tls]`",
        ),
        false => Ok(()),
    }
}

fn is_encrypted(listen: &str) -> bool {
    listen
        .split_whitespace()
        .skip(1)
        .any(|word| word == "ssl" || word == "quic")
}

/// `[address:]port` and NGINX's options after it.
fn listener(listen: &str, ports: Ports) -> Verdict {
    let example = "80";
    text(listen, example)?;
    safe_in_nginx(listen)?;
    let address = listen.split_whitespace().next().unwrap_or_default();
    let (host, port) = address.rsplit_once(':').unwrap_or(("", address));
    let Some(port) = port.parse::<u16>().ok().filter(|port| *port > 0) else {
        return wrong(
            "has no valid port",
            "write `\"80\"`, `\"127.0.0.1:8080\"` or `\"443 ssl\"`",
        );
    };
    let to_ourselves = matches!(host, "" | "*" | "0.0.0.0" | "127.0.0.1" | "localhost");
    for (color, taken) in [("blue", ports.blue), ("green", ports.green)] {
        if to_ourselves && taken == port {
            return wrong(
                format!("is the port of `process.ports.{color}`"),
                "change one of the two ports",
            );
        }
    }
    Ok(())
}

/// Each becomes a `location`, and NGINX takes each only once.
fn locations(nginx: &Nginx, findings: &mut Findings<'_, '_>) {
    if nginx.paths.is_empty() {
        let verdict = wrong("is empty, so that nothing reaches the app", "write `[\"/\"]`");
        findings.value("nginx.paths", verdict);
    }
    let mut seen = BTreeSet::new();
    for (index, path) in nginx.paths.iter().enumerate() {
        let verdict = location(path, &mut seen);
        findings.value(&format!("nginx.paths.{index}"), verdict);
    }
    for (index, files) in nginx.static_files.iter().enumerate() {
        let url = location(&files.url, &mut seen)
            .and_then(|()| no_way_up(files.url.as_ref()))
            .and_then(|()| match files.url.ends_with('/') {
                true => Ok(()),
                false => wrong("does not end with `/`", format!("write `\"{}/\"`", files.url)),
            });
        findings.value(&format!("nginx.static.{index}.url"), url);
        findings.value(
            &format!("nginx.static.{index}.folder"),
            static_folder(&files.folder),
        );
        if let Hashed::Like(form) = &files.hashed {
            findings.value(&format!("nginx.static.{index}.hashed"), form_of_a_name(form));
        }
    }
}

fn location<'n>(path: &'n str, seen: &mut BTreeSet<&'n str>) -> Verdict {
    url_path(path, "/api/")?;
    safe_in_nginx(path)?;
    if path.starts_with("/.bg/") {
        return wrong(
            "is below `/.bg/`, which this program uses itself",
            "write another path",
        );
    }
    match seen.insert(path) {
        true => Ok(()),
        false => wrong("is listed twice", "write each path once, proxied or static"),
    }
}

fn static_folder(folder: &Path) -> Verdict {
    let is_root = !folder.is_absolute() && folder.components().all(|part| part.as_os_str() == ".");
    if is_root && !folder.as_os_str().is_empty() {
        return wrong(
            "is the whole repository, including `.env` and `.git`",
            "name the folder of the files, as `\"static\"`",
        );
    }
    in_nginx(folder, relative(folder, "the repository", "static"))
}

fn form_of_a_name(form: &str) -> Verdict {
    text(form, "*-????????.js")?;
    safe_in_nginx(form)?;
    match form.chars().any(|c| c.is_control() || "/[]".contains(c)) || form.contains("**") {
        true => wrong(
            "is not a pattern of file names",
            "write a name with `*` and `?`, as `\"*-????????.js\"`",
        ),
        false => Ok(()),
    }
}

fn size(size: &str) -> Verdict {
    word(size, "10m")?;
    let number = size.trim_end_matches(['k', 'm', 'g', 'K', 'M', 'G']);
    let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
    match is_number && size.len() - number.len() <= 1 {
        true => Ok(()),
        false => wrong(
            "is not a size",
            "write a number with `k`, `m` or `g`, as `\"10m\"`",
        ),
    }
}
