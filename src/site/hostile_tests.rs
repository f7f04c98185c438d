use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use model::config::{Config, SwitchStrategy, read};
use model::layout::{Layout, NginxLayout};
use proptest::prelude::*;
use testkit::hostile;

use crate::render::{Facts, render_site};
use nginx::build;
use nginx::dump::{self, Dump};
use nginx::syntax::{self, Directive};

const CONFIGURATIONS: &[&str] = &[
    "# configuration file /etc/nginx/nginx.conf:\nuser www-data;\nhttp {\n    include conf.d/*.conf;\n    \
     map $http_upgrade $connection { default upgrade; '' close; }\n}\n",
    "# configuration file /etc/nginx/conf.d/shop.conf:\nserver {\n  listen 80; listen [::]:443 ssl;\n  \
     server_name \"shop.example\" '*.shop.example';\n  location ~ \"^/a{1,3}/\" { proxy_pass http://127.0.0.1:5000/; }\n}\n",
    "content_by_lua_block { if a then return { } end }\nset $a ${b}c; if (-f \"/srv/a b\\\"\") { return 503; }\n",
];

/// Long enough for this on a busy machine, and never for what takes its square.
const SOON: Duration = Duration::from_secs(120);

/// Every directive lies inside the text, on whole characters, with its first word at its
/// place, and what is nested lies inside of what it is nested in.
fn lies_in(text: &str, block: &[Directive]) -> Result<(), TestCaseError> {
    for directive in block {
        let shown = text.get(directive.span.clone());
        prop_assert!(shown.is_some(), "{:?}", directive.span);
        prop_assert!(directive.place.line as usize <= text.matches('\n').count() + 1);
        for inner in &directive.block {
            let (outer, inner) = (&directive.span, &inner.span);
            prop_assert!(outer.start <= inner.start && inner.end <= outer.end);
        }
        lies_in(text, &directive.block)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(hostile::few())]

    #[test]
    fn whatever_is_printed_every_directive_lies_in_it(text in hostile::text(CONFIGURATIONS)) {
        lies_in(&text, &syntax::parse(Path::new("f"), &text))?;
        let dump = Dump::parse(&text);
        drop(dump.servers());
        drop(dump.passed_ports());
        drop(dump.others_that_pass_to(5000, Path::new("/etc/nginx/bg")));
        prop_assert!(dump.files.iter().map(|(_, text)| text.len()).sum::<usize>() <= text.len());
    }

    #[test]
    fn a_version_is_read_or_there_is_none(text in hostile::text(VERSIONS)) {
        if let Some(build) = build::parse(&text) {
            prop_assert!(text.contains(&build.text));
        }
    }

    /// What cannot be written in NGINX's words is refused, and the rest means the same.
    #[test]
    fn a_value_stays_one_word_in_the_site(
        root in hostile::name(),
        server in hostile::name(),
        path in hostile::name(),
        folder in hostile::name(),
    ) {
        let mut config = config();
        config.root = format!("/srv/{root}").into();
        config.nginx.server_names = vec![server.clone()];
        config.nginx.paths = vec![format!("/x{path}")];
        config.nginx.static_files[0].folder = folder.into();
        let layout = Layout::new(&config.root);
        let nginx = NginxLayout::new(&config);
        let Ok([inside, site]) = render_site(&config, &layout, &nginx, SwitchStrategy::Live, &Facts::default()) else {
            return Ok(());
        };
        let usual = shape(&[syntax::parse(Path::new("s"), &usual_site())]);
        let text = inside.text + &site.text;
        let tree = syntax::parse(Path::new("s"), &text);
        prop_assert_eq!(shape(std::slice::from_ref(&tree)), usual, "{}", text);
        let mut names = Vec::new();
        dump::walk(&tree, &mut |d| if d.name == "server_name" { names.push(d.args.clone()) });
        prop_assert!(names.iter().all(|args| *args == [server.clone()]), "{:?} of {:?}", names, server);
        let mut locations = Vec::new();
        dump::walk(&tree, &mut |d| if d.name == "location" { locations.extend(d.args.last().cloned()) });
        prop_assert!(locations.contains(&format!("/x{path}")), "{:?}", locations);
    }
}

const VERSIONS: &[&str] = &[
    "nginx version: nginx/1.22.1\nconfigure arguments: --with-cc-opt='-g -O2' --pid-path=/run/nginx.pid\n",
    "Angie version: Angie/1.8.1 (nginx/1.27.3)\nconfigure arguments: --prefix=\"/opt/a b\"\n",
];

/// The names of all directives and how they are nested.
fn shape(trees: &[Vec<Directive>]) -> String {
    let one = |d: &Directive| format!("{} {{{}}}\n", d.name, shape(std::slice::from_ref(&d.block)));
    trees.iter().flatten().map(one).collect()
}

fn config() -> Config {
    let text = r#"
        app = "shop"
        root = "/srv/shop"
        process.run = "{{ venv }}/bin/python -m gunicorn -b 127.0.0.1:{{ port }} app:app"
        process.ports = { blue = 5001, green = 5002 }
        nginx.server_names = ["example.com"]
        nginx.paths = ["/x"]
        nginx.static = [{ url = "/static/", folder = "static" }]
    "#;
    read::parse(text, Path::new("bg.toml")).unwrap()
}

fn usual_site() -> String {
    let config = config();
    let layout = Layout::new(&config.root);
    let site = render_site(
        &config,
        &layout,
        &NginxLayout::new(&config),
        SwitchStrategy::Live,
        &Facts::default(),
    );
    let [server, site] = site.unwrap();
    server.text + &site.text
}

/// Deeper than the stack would hold, and longer than anything that could be gone through
/// again and again.
#[test]
fn depth_and_length_are_no_danger() {
    let began = Instant::now();
    let many = 100_000;
    let all = [
        "{".repeat(many),
        "a{".repeat(many),
        "a{".repeat(many) + &"}".repeat(many) + " b;",
        "}".repeat(many),
        "http{server{".repeat(many),
        "a_by_lua_block {".repeat(many),
        "include x;".repeat(many),
        format!("http {{ server {{ listen {}; }} }}", "9".repeat(1 << 20)),
        format!("a \"{}", "\\".repeat(1 << 20)),
        format!("a {};", "${".repeat(1 << 19)),
    ];
    for text in &all {
        let printed = format!("# configuration file /etc/nginx/nginx.conf:\n{text}");
        let dump = Dump::parse(&printed);
        drop(dump.servers());
        drop(dump.passed_ports());
    }
    let after = syntax::parse(Path::new("f"), &all[2]);
    assert_eq!(
        after.last().map(|d| d.name.as_str()),
        Some("b"),
        "what comes behind is read"
    );
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

/// NGINX refuses it; we read configurations that it refuses as well.
#[test]
fn files_that_include_each_other_end() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("nginx.conf");
    std::fs::write(&main, "http { include *.d; server { listen 80; } }").unwrap();
    for name in 0..8 {
        let text = "include *.d; server { listen 81; }\n";
        std::fs::write(folder.path().join(format!("{name}.d")), text).unwrap();
    }
    let began = Instant::now();
    let dump = Dump::read(&main).unwrap();
    assert_eq!(dump.files.len(), 9);
    assert!(dump.servers().iter().any(|server| server.listens == [["80"]]));
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[test]
fn a_pattern_that_nearly_fits_in_many_ways_is_done_with_soon() {
    let name = PathBuf::from(format!("/etc/nginx/{}", "a".repeat(250)));
    let pattern = format!("{}b", "*a".repeat(60));
    let printed = format!(
        "# configuration file /etc/nginx/nginx.conf:\nhttp {{ include {pattern} *a?a* [x] ; }}\n\
         # configuration file {}:\nserver {{ listen 80; }}\n",
        name.display()
    );
    let began = Instant::now();
    let dump = Dump::parse(&printed);
    assert_eq!(dump.servers().len(), 1, "the second pattern fits");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}
