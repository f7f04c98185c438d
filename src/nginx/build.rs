//! What this NGINX is: its version and what was compiled in.

use std::path::PathBuf;

/// What `nginx -V` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// The version of NGINX itself, also where a vendor has put its own behind it.
    pub version: (u64, u64, u64),
    /// The first line as printed, for people: `nginx/1.22.1`, `openresty/1.25.3.1`.
    pub text: String,
    /// Whether `$realip_remote_addr` exists.
    pub realip: bool,
    /// The pid file without a `pid` in the configuration.
    pub pid_path: Option<PathBuf>,
    /// The configuration without `-c`.
    pub conf_path: Option<PathBuf>,
    /// Where relative paths of some directives begin.
    pub prefix: Option<PathBuf>,
}

/// Reads the output of `nginx -V`, `None` when it names no version.
#[must_use]
pub fn parse(output: &str) -> Option<Build> {
    let line = output.lines().find_map(|line| line.split_once(" version: "))?.1;
    let text = line.split_whitespace().next()?.to_owned();
    let words = output
        .lines()
        .find_map(|line| line.strip_prefix("configure arguments: "))
        .map(arguments)
        .unwrap_or_default();
    let value = |name: &str| {
        let found = words
            .iter()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        found.map(PathBuf::from)
    };
    Some(Build {
        version: version(line)?,
        text,
        realip: words.iter().any(|word| word == "--with-http_realip_module"),
        pid_path: value("--pid-path"),
        conf_path: value("--conf-path"),
        prefix: value("--prefix"),
    })
}

/// The words as `./configure` got them; where the quotes do not match, as they stand.
fn arguments(line: &str) -> Vec<String> {
    shlex::split(line).unwrap_or_else(|| line.split_whitespace().map(str::to_owned).collect())
}

/// `nginx/1.22.1`, `openresty/1.25.3.1`; Angie counts on its own and names the NGINX it
/// stands on in brackets: `Angie/1.8.1 (nginx/1.27.3)`.
fn version(line: &str) -> Option<(u64, u64, u64)> {
    let own = line.rsplit_once("(nginx/").map(|(_, rest)| rest);
    let number = own.or_else(|| line.split_once('/').map(|(_, rest)| rest))?;
    let digits: String = number
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let mut parts = digits.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use crate::build::*;

    #[test]
    fn every_vendor_is_read() {
        let debian = "nginx version: nginx/1.22.1\nbuilt with OpenSSL 3.0.22 25 Aug 2026\nTLS SNI support enabled\n\
            configure arguments: --with-cc-opt='-g -O2 -D_FORTIFY_SOURCE=2' --prefix=/usr/share/nginx \
            --conf-path=/etc/nginx/nginx.conf --pid-path=/run/nginx.pid --with-http_realip_module --with-threads\n";
        type Row = (&'static str, (u64, u64, u64), &'static str, bool);
        let table: &[Row] = &[
            (debian, (1, 22, 1), "nginx/1.22.1", true),
            (
                "nginx version: nginx/1.18.0 (Ubuntu)\nconfigure arguments: --with-http_realip_module\n",
                (1, 18, 0),
                "nginx/1.18.0",
                true,
            ),
            (
                "nginx version: nginx/1.26.3\nbuilt by gcc 12.2.0 (Debian 12.2.0-14)\nconfigure arguments: --prefix=/opt/n\n",
                (1, 26, 3),
                "nginx/1.26.3",
                false,
            ),
            (
                "nginx version: nginx/1.27.4\nconfigure arguments: --with-stream_realip_module\n",
                (1, 27, 4),
                "nginx/1.27.4",
                false,
            ),
            (
                "nginx version: nginx/1.29.0\nconfigure arguments:\n",
                (1, 29, 0),
                "nginx/1.29.0",
                false,
            ),
            (
                "nginx version: openresty/1.25.3.1\nconfigure arguments: --prefix=/usr/local/openresty/nginx --with-http_realip_module\n",
                (1, 25, 3),
                "openresty/1.25.3.1",
                true,
            ),
            (
                "Angie version: Angie/1.8.1 (nginx/1.27.3)\nconfigure arguments: --pid-path=/run/angie.pid\n",
                (1, 27, 3),
                "Angie/1.8.1",
                false,
            ),
            (
                "nginx version: nginx/1.21.6 (nginx-plus-r27-p1)\nconfigure arguments: --with-http_realip_module\n",
                (1, 21, 6),
                "nginx/1.21.6",
                true,
            ),
        ];
        for (output, version, text, realip) in table {
            let build = parse(output).unwrap();
            assert_eq!(
                (build.version, build.text.as_str(), build.realip),
                (*version, *text, *realip),
                "{output}"
            );
        }
        assert_eq!(table.len(), 8);
        let build = parse(debian).unwrap();
        assert_eq!(build.pid_path.unwrap(), PathBuf::from("/run/nginx.pid"));
        assert_eq!(build.conf_path.unwrap(), PathBuf::from("/etc/nginx/nginx.conf"));
        for nonsense in [
            "",
            "nginx: command not found",
            "nginx version: nginx",
            "nginx version: nginx/x.y",
        ] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
    }
}
