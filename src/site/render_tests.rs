//! What the templates take and what they refuse, tried on a real NGINX.

use std::path::PathBuf;

use model::color::{Color, Route};
use model::config::hashed::Hashed;
use model::config::{Config, StaticFiles, SwitchStrategy, Tls};
use model::layout::{Layout, NginxLayout};

use crate::rehearsal::{PATIENCE, Rehearsal, Scene, free_port};
use crate::render::{Facts, RenderError, link_targets, render, render_site, site_mark};
use nginx::files;

fn facts(realip: bool) -> Facts {
    Facts {
        realip,
        ..Facts::default()
    }
}

#[tokio::test]
async fn no_value_breaks_out_of_its_word() {
    let folder = "it's \"q\"; } server { #x é";
    let r = Rehearsal::start(Scene {
        folder,
        site: None,
        ..Scene::default()
    })
    .await;
    assert_eq!(r.get("/").await.color(), "blue");
    r.switch(Route::to(Color::Green)).await;
    assert_eq!(
        r.get("/.bg/shop/live").await.body,
        r#"{"app":"shop","color":"green"}"#
    );

    let refused = |change: &dyn Fn(&mut Config)| {
        let mut config = r.config.clone();
        change(&mut config);
        let layout = Layout::new(&config.root);
        let site = render_site(
            &config,
            &layout,
            &NginxLayout::new(&config),
            SwitchStrategy::Live,
            &facts(true),
        );
        site.unwrap_err().to_string()
    };
    let messages = [
        refused(&|c| c.app = "Shop".into()),
        refused(&|c| c.app = "a".repeat(32)),
        refused(&|c| c.root = "/srv/$document_root".into()),
        refused(&|c| c.root = "/srv/a\nroot /;".into()),
        refused(&|c| c.root = "srv".into()),
        refused(&|c| c.nginx.link_folder = Some("/var/lib/a*".into())),
        refused(&|c| c.nginx.server_names = vec!["a b".into()]),
        refused(&|c| c.nginx.server_names.clear()),
        refused(&|c| c.nginx.paths = vec!["api".into()]),
        refused(&|c| c.nginx.max_body_size = "10m; root /".into()),
        refused(&|c| c.nginx.listen = vec!["80; root /".into()]),
        refused(&|c| c.nginx.listen = vec!["443 ssl".into()]),
        refused(&|c| {
            c.nginx.static_files = vec![StaticFiles {
                url: "/s/".into(),
                folder: "a/../..".into(),
                hashed: Hashed::No,
            }];
        }),
    ];
    let expected = [
        "app `Shop` cannot be used in NGINX: expected lower-case letters, digits and dashes",
        "app `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` cannot be used in NGINX: NGINX's variables take names of up to 31 letters",
        "root `/srv/$document_root` cannot be used in NGINX: NGINX has no way to write a `$` that is no variable",
        "root `/srv/a\nroot /;` cannot be used in NGINX: it holds a line end or another control character",
        "root `srv` cannot be used in NGINX: expected an absolute path",
        "the folder of the live link `/var/lib/a*` cannot be used in NGINX: `include` would read `*`, `?` or `[` as a pattern",
        "nginx.server_names `a b` cannot be used in NGINX: a name holds no space",
        "nginx.server_names `` cannot be used in NGINX: expected at least one name",
        "nginx.paths `api` cannot be used in NGINX: expected a path that begins with `/`",
        "nginx.max_body_size `10m; root /` cannot be used in NGINX: expected a size as `10m`",
        "`nginx.listen` names `80; root /`",
        "`443 ssl` speaks TLS and `nginx.tls` names no certificate",
        "nginx.static.folder `a/../..` cannot be used in NGINX: expected a folder inside the repository, never its root",
    ];
    assert_eq!(messages, expected);
}

#[tokio::test]
async fn apps_share_no_name_and_the_longest_one_fits() {
    let r = Rehearsal::prepare(&Scene::default()).await;
    for app in ["shop-proof", "shop-maintenance", &"a".repeat(31)] {
        let mut config = r.config.clone();
        config.app = app.to_owned();
        let (layout, files) = (Layout::new(&config.root), NginxLayout::new(&config));
        let realip = app != "shop-proof";
        let mut all = render(&config, &layout, &files, SwitchStrategy::Live, &facts(realip)).unwrap();
        all.extend(render_site(&config, &layout, &files, SwitchStrategy::Live, &facts(true)).unwrap());
        assert!(all.last().unwrap().text.starts_with(&site_mark(app)));
        files::apply(files::plan(&all).unwrap(), &files.folder().join("backup")).unwrap();
    }
    let dump = r.nginx.dump(PATIENCE).await.unwrap();
    let mut names = Vec::new();
    for (_, text) in &dump.files {
        for line in text
            .lines()
            .filter(|line| line.starts_with("map ") || line.starts_with("upstream "))
        {
            names.push(line.split_whitespace().rev().nth(1).unwrap().to_owned());
        }
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!((count, names.len()), (4 * 14, 4 * 14));
}

#[tokio::test]
async fn templates_of_the_users_own_win() {
    let mut r = Rehearsal::prepare(&Scene::default()).await;
    let folder = r.layout.root().join("nginx-templates");
    std::fs::create_dir_all(&folder).unwrap();
    r.config.nginx.templates = Some(PathBuf::from("nginx-templates"));
    std::fs::write(folder.join("hook.conf.tera"), "# {{ app }} \"{{ link }}\"\n").unwrap();
    let again = |r: &Rehearsal| render(&r.config, &r.layout, &r.files, SwitchStrategy::Live, &facts(true));
    let hook = again(&r).unwrap().pop().unwrap();
    let link = r.files.link_folder().display().to_string().replace('\\', "\\\\");
    assert_eq!(
        hook.text,
        format!("# Written by bg for shop;\n# shop \"{link}\"\n")
    );
    std::fs::write(folder.join("hook.conf.tera"), "{{ nonsense }}").unwrap();
    let error = again(&r).unwrap_err();
    assert!(
        matches!(
            error,
            RenderError::Template {
                name: "hook.conf.tera",
                ..
            }
        ),
        "{error}"
    );
    r.config.nginx.templates = Some("not-there".into());
    assert!(matches!(again(&r).unwrap_err(), RenderError::TemplateFile { .. }));
    let page = link_targets(&r.config, &r.layout, &r.files, Some("<p>ours"));
    assert!(matches!(page.unwrap_err(), RenderError::TemplateFile { .. }));
}

#[tokio::test]
async fn a_site_with_tls_passes_nginx_own_test() {
    let mut r = Rehearsal::prepare(&Scene::default()).await;
    let made = rcgen::generate_simple_self_signed(vec!["shop.example".to_owned()]).unwrap();
    let folder = r.files.conf_dir().to_owned();
    let tls = Tls {
        certificate: folder.join("full chain.pem"),
        key: folder.join("key.pem"),
    };
    std::fs::write(&tls.certificate, made.cert.pem()).unwrap();
    std::fs::write(&tls.key, made.signing_key.serialize_pem()).unwrap();
    r.config.nginx.tls = Some(tls);
    r.config
        .nginx
        .listen
        .push(format!("127.0.0.1:{} ssl http2", free_port()));
    let site = render_site(&r.config, &r.layout, &r.files, SwitchStrategy::Live, &facts(true)).unwrap();
    files::apply(files::plan(&site).unwrap(), &r.files.folder().join("backup")).unwrap();
    let dump = r.nginx.dump(PATIENCE).await.unwrap();
    let server = dump.servers().pop().unwrap();
    assert_eq!((server.listens.len(), server.http2), (2, true));
    assert_eq!(
        server.includes,
        [
            r.files.folder().join("server.conf"),
            r.files.route(),
            r.files.proxy()
        ]
    );
    assert!(dump.http_includes(&r.files.hook()) && dump.http_includes(&r.files.upstreams()));
    let ports = r.config.process.ports;
    assert_eq!(dump.others_that_pass_to(ports.blue, &r.files.folder()), []);
    assert_eq!(
        dump.others_that_pass_to(ports.blue, &folder.join("elsewhere"))
            .len(),
        1
    );
}
