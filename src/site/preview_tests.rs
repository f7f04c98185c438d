//! Previews in a real NGINX: who gets the idle color, and who does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use model::color::{Color, Route};

use crate::rehearsal::{Answer, Rehearsal, Scene};

const GREEN: &str = "green-0123456789abcdefghijABCDEFGHIJ01";
const BLUE: &str = "blue-0123456789abcdefghijABCDEFGHIJ02";
const UNKNOWN: &str = "green-zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";

async fn start(scene: Scene) -> Rehearsal {
    let r = Rehearsal::start(Scene {
        previews: true,
        ..scene
    })
    .await;
    r.preview(&[GREEN, BLUE]);
    r
}

fn cookie(value: &str) -> String {
    format!("Cookie: bg_shop_preview={value}\r\n")
}

fn previewed(answer: &Answer, color: Color) {
    assert_eq!(
        (answer.status, answer.color()),
        (200, color.name()),
        "{}",
        answer.head
    );
    assert_eq!(
        answer.header("X-Bg-Preview"),
        Some(color.name()),
        "{}",
        answer.head
    );
    assert_eq!(
        answer.header("Cache-Control"),
        Some("private, no-store"),
        "{}",
        answer.head
    );
    for ours in ["bg_shop_preview", "X-Bg-Preview", "0123456789abcdef"] {
        assert!(!answer.body.contains(ours), "the app got {ours}: {}", answer.body);
    }
}

fn live(answer: &Answer, color: Color) {
    assert_eq!(
        (answer.status, answer.color()),
        (200, color.name()),
        "{}",
        answer.head
    );
    for ours in ["X-Bg-Preview", "Set-Cookie"] {
        assert_eq!(answer.header(ours), None, "{}", answer.head);
    }
}

#[tokio::test]
async fn whoever_has_the_token_gets_the_color_that_it_names() {
    let r = start(Scene::default()).await;
    for live_color in [Color::Blue, Color::Green] {
        r.route(Route::to(live_color));
        live(&r.get("/").await, live_color);
        for (token, color) in [(GREEN, Color::Green), (BLUE, Color::Blue)] {
            let ours = cookie(token);
            let mut carried = vec![
                ours.clone(),
                format!("Cookie: a=b; bg_shop_preview={token}; c=d\r\n"),
                format!("Cookie: a=b; bg_shop_preview={token}\r\n"),
                // As HTTP/2 clients split them.
                format!("Cookie: a=b\r\n{ours}Cookie: c=d\r\n"),
            ];
            carried.push(format!("X-Bg-Preview: {token}\r\n"));
            carried.push(format!("{}X-Bg-Preview: {token}\r\n", cookie(UNKNOWN)));
            for headers in carried {
                let answer = r.ask("GET", "/a/b?c=d%20e", &headers, "").await;
                previewed(&answer, color);
                assert!(
                    answer.body.starts_with("GET /a/b?c=d%20e HTTP/1.1"),
                    "{}",
                    answer.body
                );
                assert!(answer.body.contains("Host: shop.example:81"), "{}", answer.body);
                let others = answer.body.lines().find_map(|line| line.strip_prefix("Cookie: "));
                match (headers.contains("a=b"), headers.contains("c=d")) {
                    (true, true) => assert_eq!(others, Some("a=b; c=d"), "{headers}"),
                    (true, false) => assert_eq!(others, Some("a=b"), "{headers}"),
                    _ => assert_eq!(others, None, "{headers}"),
                }
                let kept = answer.header("Set-Cookie");
                match headers.contains("X-Bg-Preview") {
                    true => assert_eq!(kept, None, "{headers}"),
                    false => assert_eq!(
                        kept,
                        Some(&*format!(
                            "bg_shop_preview={token}; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"
                        )),
                        "{headers}"
                    ),
                }
            }
            let posted = r.ask("POST", "/form", &cookie(token), "name=ann").await;
            previewed(&posted, color);
            assert!(posted.body.ends_with("name=ann"), "{}", posted.body);
        }
    }
}

#[tokio::test]
async fn the_app_never_gets_the_token_however_the_cookie_is_written() {
    let r = start(Scene::default()).await;
    let twice = format!("Cookie: bg_shop_preview={GREEN}; bg_shop_preview={BLUE}; a=b\r\n");
    let odd = format!("Cookie: a=b,bg_shop_preview={GREEN}\r\n");
    let capitals = format!("Cookie: a=b; BG_Shop_Preview={GREEN}\r\n");
    let spaced = format!("Cookie: bg_shop_preview = {GREEN}; a=b\r\n");
    let beside = format!("{}X-Bg-Preview: x\r\n", cookie(GREEN));
    for headers in [twice, odd, capitals, spaced, beside] {
        let answer = r.ask("GET", "/", &headers, "").await;
        assert_eq!(answer.status, 200, "{headers}");
        if answer.color() == "green" {
            assert_eq!(answer.header("X-Bg-Preview"), Some("green"), "{headers}");
            let body = answer.body.to_ascii_lowercase();
            assert!(!body.contains("bg_shop_preview"), "{headers}{}", answer.body);
            assert!(!answer.body.contains("0123456789"), "{headers}{}", answer.body);
        }
    }
    // A name that only ends like ours is the app's.
    let theirs = format!("Cookie: xbg_shop_preview={GREEN}\r\n");
    live(&r.ask("GET", "/", &theirs, "").await, Color::Blue);
}

/// Asks by HTTP/2, whose clients send each cookie as a header of its own.
async fn ask_by_http2(port: u16, headers: &[(&'static str, &str)]) -> (u16, Option<String>, String) {
    use http_body_util::{BodyExt, Empty};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let mut request = hyper::Request::get("http://shop.example/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<&[u8]>::new()).unwrap();
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let previewed = head.headers.get("x-bg-preview");
    let previewed = previewed.map(|color| color.to_str().unwrap().to_owned());
    let body = body.collect().await.unwrap().to_bytes();
    (
        head.status.as_u16(),
        previewed,
        String::from_utf8_lossy(&body).into_owned(),
    )
}

#[tokio::test]
async fn http2_makes_no_difference() {
    let r = start(Scene {
        site: Some(
            "server { listen 0.0.0.0:{port} http2; server_name shop.example; include {bg}/route.conf; \
             location / { include {bg}/proxy.conf; } }",
        ),
        ..Scene::default()
    })
    .await;
    let ours = format!("bg_shop_preview={GREEN}");
    let crumbs = [
        vec![("cookie", "a=b"), ("cookie", &ours), ("cookie", "c=d")],
        vec![("cookie", &ours)],
        vec![("cookie", "a=b"), ("cookie", &ours)],
        vec![("x-bg-preview", GREEN)],
    ];
    for headers in crumbs {
        let (status, previewed, body) = ask_by_http2(r.port, &headers).await;
        assert_eq!(
            (status, previewed.as_deref()),
            (200, Some("green")),
            "{headers:?}: {body}"
        );
        assert!(!body.contains("bg_shop_preview"), "{body}");
        assert_eq!(body.contains("a=b"), headers[0].1 == "a=b", "{body}");
    }
    let (status, previewed, body) = ask_by_http2(r.port, &[("cookie", "a=b"), ("cookie", "c=d")]).await;
    assert_eq!((status, previewed), (200, None), "{body}");
    let over = format!("bg_shop_preview={UNKNOWN}");
    assert_eq!(
        ask_by_http2(r.port, &[("cookie", "a=b"), ("cookie", &over)])
            .await
            .0,
        410
    );
}

#[tokio::test]
async fn a_sites_limits_count_a_previewer_once() {
    let r = start(Scene {
        http: "limit_req_zone $binary_remote_addr zone=few:1m rate=1r/m; limit_req zone=few; \
               limit_conn_zone $binary_remote_addr zone=one:1m; limit_conn one 1;",
        ..Scene::default()
    })
    .await;
    previewed(&r.ask("GET", "/", &cookie(GREEN), "").await, Color::Green);
    assert_eq!(r.ask("GET", "/", &cookie(GREEN), "").await.status, 503);
}

#[tokio::test]
async fn visitors_files_keep_what_the_site_says_of_them() {
    let r = start(Scene {
        http: "expires 30d;",
        nginx: r#"static = [{ url = "/static/", folder = "static" }]"#,
        ..Scene::default()
    })
    .await;
    let folder = r.layout.slot(Color::Blue).join("static");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("page.html"), "blue").unwrap();
    let file = r.get("/static/page.html").await;
    assert_eq!(
        file.header("Cache-Control"),
        Some("max-age=2592000"),
        "{}",
        file.head
    );
    // `bg preview` looks at this, and opens none.
    let shown = r.ask("GET", "/", &cookie(GREEN), "").await;
    assert_eq!(shown.color(), "green");
    assert_eq!(shown.header("Cache-Control"), Some("max-age=2592000"));
}

#[tokio::test]
async fn a_long_name_and_a_second_app_are_no_trouble() {
    let r = Rehearsal::prepare(&Scene {
        app: "a-name-of-thirty-one-letters-at",
        previews: true,
        ..Scene::default()
    })
    .await;
    let tested = r.nginx.test(crate::rehearsal::PATIENCE).await;
    assert!(tested.is_ok(), "{tested:?}");
}

#[tokio::test]
async fn what_is_no_token_gets_the_live_color_and_an_unknown_one_gets_none() {
    let r = start(Scene::default()).await;
    let malformed = [
        "".to_owned(),
        "green".to_owned(),
        "../blue".to_owned(),
        format!("../preview/{GREEN}"),
        format!("{GREEN}/"),
        format!("{GREEN}x"),
        GREEN.to_uppercase(),
        GREEN.replace("green", "%67reen"),
        GREEN.replace("green", "red"),
        format!("\"{GREEN}\""),
        format!("{GREEN}%00"),
        format!(" {UNKNOWN}.."),
        GREEN.replace('-', "_"),
    ];
    for route in [Route::to(Color::Blue), Route::to(Color::Green)] {
        r.route(route);
        for bad in &malformed {
            live(&r.ask("GET", "/", &cookie(bad), "").await, route.color);
            live(
                &r.ask("GET", "/", &format!("X-Bg-Preview: {bad}\r\n"), "").await,
                route.color,
            );
        }
        for header in [cookie(UNKNOWN), format!("X-Bg-Preview: {UNKNOWN}\r\n")] {
            for (method, body) in [("GET", ""), ("POST", "name=ann")] {
                let over = r.ask(method, "/a", &header, body).await;
                assert_eq!((over.status, over.color()), (410, "none"), "{}", over.head);
                assert!(over.body.contains("This preview is over"), "{}", over.body);
                assert_eq!(over.header("Cache-Control"), Some("private, no-store"));
                assert!(
                    over.header("Set-Cookie").unwrap().contains("Max-Age=0"),
                    "{}",
                    over.head
                );
            }
        }
    }
    // Over at once.
    previewed(&r.ask("GET", "/", &cookie(BLUE), "").await, Color::Blue);
    r.preview(&[GREEN]);
    assert_eq!(r.ask("GET", "/", &cookie(BLUE), "").await.status, 410);
}

#[tokio::test]
async fn a_link_makes_a_previewer_of_whoever_opens_it_while_it_holds() {
    let r = start(Scene::default()).await;
    let opened = r.get(&format!("/.bg/shop/preview/{GREEN}?utm=x")).await;
    assert_eq!((opened.status, opened.header("Location")), (302, Some("/")));
    let set = opened.header("Set-Cookie").unwrap();
    assert_eq!(
        set,
        format!("bg_shop_preview={GREEN}; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax")
    );
    assert_eq!(opened.header("Cache-Control"), Some("private, no-store"));
    assert_eq!(opened.header("Referrer-Policy"), Some("no-referrer"));
    let off = r.get("/.bg/shop/preview/off").await;
    assert_eq!(off.status, 302);
    assert!(
        off.header("Set-Cookie").unwrap().contains("Max-Age=0"),
        "{}",
        off.head
    );
    let miss = r.get(&format!("/.bg/shop/preview/{UNKNOWN}")).await;
    assert!(miss.body.starts_with("There is no such preview"), "{}", miss.body);
    for bad in [
        UNKNOWN.to_owned(),
        format!("{GREEN}/"),
        format!("{GREEN}x"),
        format!("x/{GREEN}"),
        format!("{GREEN}%0d%0aX: y"),
        GREEN.replace("green", "Green"),
        "".to_owned(),
    ] {
        let answer = r
            .get(&format!("/.bg/shop/preview/{}", bad.replace(' ', "%20")))
            .await;
        assert_eq!((answer.status, answer.header("Set-Cookie")), (404, None), "{bad}");
    }
    let up = r.get("/.bg/shop/preview/..%2f..%2flive").await;
    assert_eq!((up.status, up.header("Set-Cookie")), (400, None));
}

#[tokio::test]
async fn the_maintenance_page_is_for_everybody_or_for_all_but_previewers() {
    let r = start(Scene::default()).await;
    let page = Route {
        color: Color::Blue,
        maintenance: true,
        share: None,
    };
    r.route(page);
    std::fs::write(r.files.closed(page), "").unwrap();
    for headers in [String::new(), cookie(GREEN), cookie(UNKNOWN)] {
        let answer = r.ask("GET", "/", &headers, "").await;
        assert_eq!((answer.status, answer.color()), (503, "none"), "{headers}");
    }
    std::fs::remove_file(r.files.closed(page)).unwrap();
    assert_eq!(r.get("/").await.status, 503);
    assert_eq!(r.ask("GET", "/", &cookie("green"), "").await.status, 503);
    assert_eq!(r.ask("GET", "/", &cookie(UNKNOWN), "").await.status, 410);
    let past = r.ask("POST", "/a%20b?c=d%20e", &cookie(GREEN), "name=ann").await;
    previewed(&past, Color::Green);
    assert!(
        past.body.starts_with("POST /a%20b?c=d%20e HTTP/1.1"),
        "{}",
        past.body
    );
    let header = format!("X-Bg-Preview: {BLUE}\r\n");
    previewed(&r.ask("GET", "/", &header, "").await, Color::Blue);
    let challenge = r.get("/.well-known/acme-challenge/abc").await;
    assert_eq!(challenge.color(), "blue", "{}", challenge.head);
}

#[tokio::test]
async fn a_color_that_does_not_answer_is_the_sites_own_502() {
    let r = start(Scene {
        site: Some(
            "server { listen 0.0.0.0:{port}; error_page 502 /own; include {bg}/route.conf; \
             location / { include {bg}/proxy.conf; } location = /own { return 200 own-502; } \
             location /gone/ { include {bg}/pass.conf; } }",
        ),
        ..Scene::default()
    })
    .await;
    previewed(&r.ask("GET", "/", &cookie(GREEN), "").await, Color::Green);
    let passed = r.ask("GET", "/gone/", &cookie(GREEN), "").await;
    previewed(&passed, Color::Green);
    assert!(passed.body.contains("Host: bg_shop_green\r\n"), "{}", passed.body);
    let upstreams = std::fs::read_to_string(r.files.upstreams()).unwrap();
    let green = r.config.process.ports.green;
    let nobody = crate::rehearsal::free_port();
    std::fs::write(
        r.files.upstreams(),
        upstreams.replace(&format!("127.0.0.1:{green}"), &format!("127.0.0.1:{nobody}")),
    )
    .unwrap();
    r.nginx.reload(None, crate::rehearsal::PATIENCE).await.unwrap();
    let down = r.ask("GET", "/", &cookie(GREEN), "").await;
    assert_eq!(down.body, "own-502", "{}", down.head);
    live(&r.get("/").await, Color::Blue);
}

#[tokio::test]
async fn static_files_are_those_of_the_color_shown_and_for_no_cache() {
    let r = start(Scene {
        nginx: r#"static = [{ url = "/static/", folder = "static" }]"#,
        ..Scene::default()
    })
    .await;
    for color in Color::BOTH {
        let folder = r.layout.slot(color).join("static");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("page.html"), color.name()).unwrap();
    }
    let file = "/static/page.html";
    for route in [
        Route::to(Color::Blue),
        Route::to(Color::Green),
        Route::to(Color::Blue),
    ] {
        r.route(route);
        let plain = r.get(file).await;
        assert_eq!(
            (&*plain.body, plain.header("Cache-Control")),
            (route.color.name(), None)
        );
        for (token, shown) in [(GREEN, "green"), (BLUE, "blue")] {
            let answer = r.ask("GET", file, &cookie(token), "").await;
            assert_eq!((answer.status, &*answer.body), (200, shown));
            assert_eq!(
                answer.header("Cache-Control"),
                Some("private, no-store"),
                "{}",
                answer.head
            );
        }
        let over = r.ask("GET", file, &cookie(UNKNOWN), "").await;
        assert_eq!(
            (over.status, over.header("Cache-Control")),
            (404, Some("private, no-store")),
            "{}",
            over.body
        );
    }
}

#[tokio::test]
async fn a_cache_in_front_is_not_given_what_a_previewer_sees() {
    let r = start(Scene::default()).await;
    // A content delivery network, say, which keeps what it may by the path alone.
    let outside = crate::rehearsal::free_port();
    let folder = r.files.conf().with_file_name("cached");
    let front = format!(
        "proxy_cache_path \"{}\" keys_zone=cached:1m; server {{ listen 0.0.0.0:{outside}; location / {{ \
         proxy_pass http://127.0.0.1:{}; proxy_set_header Host $host; proxy_cache cached; \
         proxy_cache_key $request_uri; proxy_cache_valid any 1h; }} }}",
        folder.display(),
        r.port
    );
    std::fs::write(r.files.hook().with_file_name("zz-front.conf"), front).unwrap();
    r.nginx.reload(None, crate::rehearsal::PATIENCE).await.unwrap();
    let to = std::net::SocketAddr::from(([127, 0, 0, 1], outside));
    let ask = |path: &'static str, headers: String| async move {
        crate::rehearsal::ask([127, 0, 0, 1].into(), to, "GET", path, &headers, "").await
    };
    // The first to come is the previewer.
    for path in ["/a", "/b"] {
        previewed(&ask(path, cookie(GREEN)).await, Color::Green);
        assert_eq!(ask(path, cookie(UNKNOWN)).await.status, 410);
        assert_eq!(ask(path, String::new()).await.color(), "blue");
        assert_eq!(ask(path, String::new()).await.color(), "blue");
    }
}

/// How many requests of previewers there are to be; `BG_PREVIEWED` asks for more.
const PREVIEWED: u64 = 2_000;

/// How often everything moves meanwhile, at least.
const TURNS: usize = 100;

/// What they send, where they are counted, and which answers are right.
type Visitors<'a> = (String, &'a Arc<AtomicU64>, fn(&Answer) -> bool);

/// Asks again and again until told to stop, each time on a connection of its own; how often.
async fn go_on(
    port: u16,
    headers: String,
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    is_right: fn(&Answer) -> bool,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let to = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    while !stop.load(Ordering::Relaxed) {
        let answer = crate::rehearsal::ask([127, 0, 0, 1].into(), to, "GET", "/", &headers, "").await;
        if !is_right(&answer) {
            wrong.push(format!("{headers}{}", answer.head));
        }
        asked.fetch_add(1, Ordering::Relaxed);
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_is_shown_the_idle_color_while_everything_moves() {
    let r = start(Scene::default()).await;
    let wanted = std::env::var("BG_PREVIEWED").map_or(PREVIEWED, |count| count.parse().unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let [visits, previews, rest] = std::array::from_fn(|_| Arc::new(AtomicU64::new(0)));
    // Green is never live here.
    let is_blue = |answer: &Answer| {
        let plain = answer.header("X-Bg-Preview").is_none() && answer.header("Set-Cookie").is_none();
        answer.status == 503 && answer.color() == "none" || answer.color() == "blue" && plain
    };
    let is_green = |answer: &Answer| {
        answer.color() == "green" && answer.header("X-Bg-Preview") == Some("green")
            || answer.status == 503 && answer.color() == "none"
    };
    let is_over = |answer: &Answer| [410, 503].contains(&answer.status) && answer.color() == "none";
    let is_own = |answer: &Answer| {
        answer.header("X-Bg-Preview") == Some("blue") && answer.color() == "blue"
            || [410, 503].contains(&answer.status) && answer.color() == "none"
    };
    let who: [Visitors<'_>; 6] = [
        (String::new(), &visits, is_blue),
        (cookie("green"), &visits, is_blue),
        (cookie(GREEN), &previews, is_green),
        (format!("X-Bg-Preview: {GREEN}\r\n"), &previews, is_green),
        (cookie(UNKNOWN), &rest, is_over),
        // It comes and goes.
        (cookie(BLUE), &rest, is_own),
    ];
    let going = who.map(|(headers, asked, is_right)| {
        tokio::spawn(go_on(r.port, headers, stop.clone(), asked.clone(), is_right))
    });
    let page = Route {
        color: Color::Blue,
        maintenance: true,
        share: None,
    };
    std::fs::write(r.files.closed(page), "").unwrap();
    let mut turns = 0;
    while previews.load(Ordering::Relaxed) < wanted || turns <= TURNS {
        r.route([page, Route::to(Color::Blue)][turns % 2]);
        let blue = r.files.previews().join(BLUE);
        match turns % 3 {
            0 => std::fs::remove_file(&blue).ok(),
            _ => std::fs::write(&blue, "").ok(),
        };
        if turns % 50 == 0 {
            r.nginx.reload(None, crate::rehearsal::PATIENCE).await.unwrap();
        }
        tokio::task::yield_now().await;
        turns += 1;
        // Long enough for requests to come between.
        r.get("/.bg/shop/live").await;
    }
    stop.store(true, Ordering::Relaxed);
    for one in going {
        let wrong = one.await.unwrap();
        assert_eq!(wrong.first(), None, "{} wrong", wrong.len());
    }
    let counts = [visits, previews, rest].map(|count| count.load(Ordering::Relaxed));
    println!("{turns} turns; requests of visitors, previewers, others: {counts:?}");
}
