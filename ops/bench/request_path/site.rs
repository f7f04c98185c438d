//! The files that `bg setup` has rendered, as they are and with a directive left out.

use std::fs;

use bluegreen::model::color::Color;

use crate::sandbox::{APP, Sandbox};

/// What NGINX is given: for `http`, for the server, for the location.
#[derive(Clone)]
pub struct Site {
    /// Upstreams and maps.
    pub upstreams: String,
    /// What the server block includes.
    pub route: String,
    /// What the proxied location includes.
    pub proxy: String,
}

const VARIABLE_PASS: &str = "http://bg_shop_$bg_shop_color";
const NAME: &str = "$bg_shop_host";
const PROOF_HEADER: &str = "if ($bg_shop_evidence) {";

impl Site {
    /// As `bg setup` wrote it, but for the slots' ports: `{backend}` stands for both.
    pub fn read(sandbox: &Sandbox) -> Site {
        let folder = sandbox.front.conf().with_file_name("bg").join(APP);
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let mut upstreams = read("upstreams.conf");
        for color in Color::BOTH {
            let slot = sandbox.slot_address(color).to_string();
            upstreams = replaced(&upstreams, &slot, "{backend}");
        }
        Site {
            upstreams,
            route: read("route.conf"),
            proxy: read("proxy.conf"),
        }
    }

    /// The same with nothing that follows a color: what one would write by hand.
    pub fn plain(&self) -> Site {
        let site = self.passing_to("http://bg_shop_blue");
        let proxy = without_block(&site.proxy, PROOF_HEADER);
        Site {
            route: String::new(),
            proxy: replaced(&proxy, NAME, "$http_host"),
            ..site
        }
    }

    /// Each directive that costs something, left out by itself.
    pub fn left_out(&self) -> Vec<(&'static str, Site)> {
        let route = |route: String| Site {
            route,
            ..self.clone()
        };
        let look = |mark: &str| {
            let path = self.route.lines().find(|line| line.contains(mark)).unwrap();
            route(without_block(&self.route, path))
        };
        vec![
            ("a color in `proxy_pass`", self.passing_to("http://bg_shop_blue")),
            ("the look at the path", look("if ($request_uri ~")),
            (
                "the site's name for the visitor's",
                Site {
                    route: replaced(&self.route, "set $bg_shop_host $bg_shop_asked;\n", ""),
                    proxy: replaced(&self.proxy, NAME, "$http_host"),
                    ..self.clone()
                },
            ),
            ("the look for maintenance", look("/is-maintenance")),
            ("the look for the color", look("/is-green")),
            ("the look for a proof's header", look("if ($http_x_bg_proof)")),
            (
                "a proof's header in the answer",
                Site {
                    proxy: without_block(&self.proxy, PROOF_HEADER),
                    ..self.clone()
                },
            ),
            (
                "locations of its own",
                route(self.route[..self.route.find("error_page").unwrap()].to_owned()),
            ),
        ]
    }

    /// What would cost less and was not taken; the documentation says why.
    pub fn not_taken(&self) -> Vec<(&'static str, Site)> {
        let short = |text: &str| {
            text.replace("bg_shop_blue", "b_blue")
                .replace("bg_shop_green", "b_green")
        };
        let names = Site {
            upstreams: short(&self.upstreams),
            ..self.passing_to("http://b_$bg_shop_color")
        };
        let mut hash = self.passing_to("http://bg_shop_hash");
        hash.upstreams.push_str(
            "upstream bg_shop_hash { hash $bg_shop_color; server {backend}; server {backend}; \
             keepalive 32; keepalive_timeout 1s; }\n",
        );
        vec![
            ("names of upstreams six letters shorter", names),
            ("one upstream with `hash`", hash),
        ]
    }

    fn passing_to(&self, upstream: &str) -> Site {
        Site {
            proxy: replaced(&self.proxy, VARIABLE_PASS, upstream),
            ..self.clone()
        }
    }
}

/// What is looked for must be there: a template that has changed would measure nothing.
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "no `{from}` in {text}");
    text.replace(from, to)
}

/// Without the block that begins with `head`.
fn without_block(text: &str, head: &str) -> String {
    let from = text.find(head).unwrap_or_else(|| panic!("no `{head}` in {text}"));
    let length = text[from..].find("\n}\n").unwrap() + "\n}\n".len();
    format!("{}{}", &text[..from], &text[from + length..])
}
