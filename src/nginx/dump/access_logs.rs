//! Where NGINX writes down what was asked for.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::dump::Dump;

/// Where it does without a word about it, as Debian, Ubuntu and nginx.org build it.
const USUAL: &str = "/var/log/nginx/access.log";

impl Dump {
    /// The files with the lines of requests for `path`, as far as they have an absolute name
    /// that stands in the configuration.
    #[must_use]
    pub fn access_logs(&self, at: SocketAddr, host: &str, path: &str) -> Vec<PathBuf> {
        let Some(server) = self.servers_at(at, host).into_iter().next() else {
            return Vec::new();
        };
        let said = self.levels(server, path).in_force("access_log");
        if said.is_empty() {
            return vec![PathBuf::from(USUAL)];
        }
        let names = said.iter().filter_map(|d| d.args.first());
        let files = names.filter(|name| {
            let elsewhere = ["off", "syslog:", "memory:"];
            !elsewhere.iter().any(|other| name.starts_with(other)) && !name.contains('$')
        });
        files
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::dump::access_logs::*;

    #[test]
    fn the_log_in_force_is_found() {
        let dump = |http: &str, server: &str, location: &str| {
            let text = format!(
                "# configuration file /e/nginx.conf:\nhttp {{\n{http}\nserver {{\nlisten 80;\n{server}\nlocation / {{ {location} }}\n}}\n}}\n"
            );
            Dump::parse(&text)
        };
        let table: [(&str, &str, &str, &[&str]); 6] = [
            ("", "", "", &[USUAL]),
            ("access_log /a;", "", "", &["/a"]),
            (
                "access_log /a;",
                "access_log /b main; access_log syslog:server=x;",
                "",
                &["/b"],
            ),
            ("access_log /a;", "access_log off;", "", &[]),
            (
                "access_log /a;",
                "access_log /b;",
                "access_log /c/$host.log; access_log /d;",
                &["/d"],
            ),
            ("access_log off;", "access_log /b;", "", &["/b"]),
        ];
        for (http, server, location, expected) in table {
            let at = "127.0.0.1:80".parse().unwrap();
            let found = dump(http, server, location).access_logs(at, "shop.test", "/");
            assert_eq!(found, expected.iter().map(PathBuf::from).collect::<Vec<_>>());
        }
    }
}
