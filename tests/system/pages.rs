//! The pages of a node, as browsers meet them.

use fengqiao_node::pages::{ROUTES, Who};
use fengqiao_proto::v1 as pb;
use fengqiao_tests::city::City;
use fengqiao_tests::city::process::Node;
use fengqiao_tests::kit::browser::{Browser, Page, encoded};

const PASSWORD: &str = "运河边上的老槐树开花了";
const TICKET: &str = "__Host-fengqiao";

fn browser(node: &Node) -> Browser {
    Browser::of(node.ports.pages, &node.data).unwrap()
}

/// A browser that is signed in by a link of the command line.
async fn signed_in(node: &Node, login: &str) -> Browser {
    let link = node.cli(&["account", "link", login]).json();
    let mut browser = browser(node);
    let entered = browser
        .welcome(link["path"].as_str().unwrap(), PASSWORD)
        .await
        .unwrap();
    assert_eq!(
        (entered.status, entered.leads_to()),
        (303, "/today"),
        "{}",
        entered.body
    );
    browser
}

async fn clerk(node: &Node, login: &str) -> Browser {
    node.desk().account(login, &[pb::Role::Clerk], "").await;
    signed_in(node, login).await
}

/// A request as it is taken in on the telephone.
fn request(text: &str) -> Vec<(&str, &str)> {
    vec![
        ("channel", "phone"),
        ("class", "邻里与婚姻家庭纠纷"),
        ("text", text),
        ("requester.name", "冯先生"),
        ("requester.phone", "13800000000"),
    ]
}

/// The number on the slip of a request that was taken in.
fn number(slip: &Page) -> String {
    let number = slip.between("num big\">", "<");
    number
        .unwrap_or_else(|| panic!("no slip: {}", slip.body))
        .to_owned()
}

async fn registered(browser: &mut Browser, text: &str) -> String {
    number(
        &browser
            .fill("/register", "/register", &request(text))
            .await
            .unwrap(),
    )
}

/// A route with something in place of its parameters.
fn address(path: &str) -> String {
    path.replace("{case}", "3714-10000001v")
        .replace("{action}", "accept")
        .replace("{login}", "admin")
        .replace("{token}", "none")
        .replace("{directive}", "0000000000000000000000000z")
        .replace("{to}", "en")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nobody_gets_in_without_a_session_and_no_form_of_another_site_is_acted_on() {
    let ground = City::new();
    let node = ground.found("德州市").await;
    let mut stranger = browser(&node);
    for route in ROUTES.iter().filter(|route| route.who == Who::Inside) {
        let path = address(route.path);
        let page = match route.method {
            "GET" => stranger.get(&path).await.unwrap(),
            _ => stranger.post(&path, &[]).await.unwrap(),
        };
        let entrance = format!("/sign-in?back={path}");
        assert_eq!(
            (page.status, page.leads_to()),
            (303, entrance.as_str()),
            "{route:?}"
        );
    }
    let mut clerk = clerk(&node, "wang").await;
    let forms = ROUTES.iter().filter(|route| route.method == "POST");
    for (number, route) in forms.enumerate() {
        let own = clerk.origin.clone();
        clerk.origin = (number % 2 == 0).then(|| "https://evil.example".to_owned());
        let page = clerk.post(&address(route.path), &[]).await.unwrap();
        assert_eq!(page.status, 403, "{route:?}");
        assert!(page.body.contains("CROSS_SITE"), "{route:?}");
        clerk.origin = own;
    }
    assert_eq!(
        clerk.get("/today").await.unwrap().status,
        200,
        "still signed in"
    );
    for route in ROUTES {
        let path = address(route.path);
        let page = stranger.get(&path).await.unwrap();
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
        assert_eq!(page.header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(page.header("cache-control"), Some("no-store"), "{path}");
        for loose in ["<script", " style=", " onclick", "javascript:"] {
            assert!(!page.body.contains(loose), "{path}: {loose}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_link_sets_a_password_once_and_sessions_end_when_they_should() {
    let ground = City::new();
    let node = ground.found("德州市").await;
    node.desk().account("wang", &[pb::Role::Clerk], "").await;
    let token = node.desk().account("li", &[pb::Role::Clerk], "").await;
    let link = node.cli(&["account", "link", "wang"]).json();
    let link = link["path"].as_str().unwrap().to_owned();

    let mut wang = browser(&node);
    let short = wang.welcome(&link, "短").await.unwrap();
    assert_eq!(short.status, 422);
    assert!(short.body.contains("至少 10 个字符"));
    assert!(wang.cookie(TICKET).is_none());
    wang.hold(TICKET, "chosen-by-somebody-else");
    assert_eq!(wang.welcome(&link, PASSWORD).await.unwrap().status, 303);
    assert_ne!(wang.cookie(TICKET), Some("chosen-by-somebody-else"));
    assert_eq!(browser(&node).get(&link).await.unwrap().status, 410, "used");

    let mut elsewhere = browser(&node);
    let wrong = elsewhere
        .post("/sign-in", &[("login", "wang"), ("password", "猜的")])
        .await
        .unwrap();
    let nobody = elsewhere
        .post("/sign-in", &[("login", "nobody"), ("password", "猜的")])
        .await
        .unwrap();
    assert_eq!((wrong.status, nobody.status), (422, 422));
    let said = |page: &Page| page.between("role=\"alert\"", "</div>").unwrap().to_owned();
    assert_eq!(said(&wrong), said(&nobody), "which of them is not said");
    let entered = elsewhere
        .post(
            "/sign-in",
            &[
                ("login", "wang"),
                ("password", PASSWORD),
                ("back", "//evil.example"),
            ],
        )
        .await
        .unwrap();
    assert_eq!((entered.status, entered.leads_to()), (303, "/today"));
    let cookie = entered.header("set-cookie").unwrap();
    for wanted in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(wanted), "{cookie}");
    }
    let mut by_token = browser(&node);
    by_token
        .post("/sign-in", &[("login", "li"), ("password", &token)])
        .await
        .unwrap();
    assert_eq!(by_token.get("/today").await.unwrap().status, 200);

    wang.post("/account/sign-out-everywhere", &[])
        .await
        .unwrap();
    assert_eq!(elsewhere.get("/today").await.unwrap().status, 303);
    assert_eq!(
        by_token.get("/today").await.unwrap().status,
        200,
        "somebody else's"
    );
    by_token.post("/sign-out", &[]).await.unwrap();
    assert_eq!(by_token.get("/today").await.unwrap().status, 303);

    let mut guesser = browser(&node);
    let mut last = 0;
    for _ in 0..6 {
        let guess = [("login", "zhao"), ("password", "猜的")];
        last = guesser.post("/sign-in", &guess).await.unwrap().status;
    }
    assert_eq!(last, 429);

    let mut idle = signed_in(&node, "wang").await;
    ground.time.advance(31 * 60 * 1000);
    node.set_clock();
    assert_eq!(
        idle.get("/today").await.unwrap().status,
        303,
        "idle for 31 minutes"
    );
    let mut closed = signed_in(&node, "wang").await;
    assert_eq!(node.cli(&["account", "close", "wang"]).code, 0);
    assert_eq!(closed.get("/today").await.unwrap().status, 303, "closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_case_is_worked_on_by_forms_that_act_once_and_keep_what_was_typed() {
    let ground = City::new();
    let node = ground.found("德州市").await;
    let mut wang = clerk(&node, "wang").await;

    let form = wang.get("/register").await.unwrap();
    let mut fields = request("楼上装修扰民");
    let hidden = form.hidden("/register").unwrap();
    let id = hidden
        .iter()
        .find(|(name, _)| name == "request_id")
        .unwrap();
    fields.push(("request_id", &id.1));
    let bad: Vec<_> = fields
        .iter()
        .map(|(name, value)| {
            (
                *name,
                if *name == "class" {
                    "没有的类"
                } else {
                    *value
                },
            )
        })
        .collect();
    let refused = wang.post("/register", &bad).await.unwrap();
    assert_eq!(refused.status, 422);
    assert!(
        refused.body.contains("楼上装修扰民"),
        "what was typed is kept"
    );
    assert!(
        refused.body.contains("id=\"class-wrong\""),
        "beside the field"
    );
    assert!(refused.body.contains("id=\"wrong\""), "and in the summary");

    let first = wang.post("/register", &fields).await.unwrap();
    let again = wang.post("/register", &fields).await.unwrap();
    let case = number(&first);
    assert_eq!(number(&again), case, "sent twice, taken in once");
    assert!(again.body.contains("不再保存"), "the code is shown once");
    assert_eq!(node.desk().all_cases().await.len(), 1);

    let page = format!("/cases/{case}");
    let accept = format!("{page}/accept");
    let shown = wang.get(&page).await.unwrap();
    let fields = shown.hidden(&accept).unwrap();
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    for _ in 0..2 {
        let done = wang.post(&accept, &fields).await.unwrap();
        assert_eq!(done.leads_to(), format!("{page}?done=accept"));
    }
    let shown = wang.get(&page).await.unwrap();
    assert_eq!(shown.body.matches("<b>受理</b>").count(), 1, "done once");

    let supplement = format!("{page}/supplement");
    let form = wang.get(&supplement).await.unwrap();
    let other = node.cli(&[
        "--as",
        "wang",
        "case",
        "answer-at-once",
        &case,
        "--answer",
        "已当场答复",
    ]);
    assert_eq!(other.code, 0, "{}", other.err);
    let stale = form.hidden(&supplement).unwrap();
    let mut stale: Vec<_> = stale
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    stale.push(("text", "来电人又说了门牌号"));
    let moved = wang.post(&supplement, &stale).await.unwrap();
    assert_eq!(moved.status, 409);
    assert!(
        moved.body.contains("来电人又说了门牌号"),
        "what was typed is kept"
    );
    assert!(moved.body.contains("有了新的进展"));
    let fresh = moved.hidden(&supplement).unwrap();
    let mut fresh: Vec<_> = fresh
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    fresh.push(("text", "来电人又说了门牌号"));
    assert_eq!(wang.post(&supplement, &fresh).await.unwrap().status, 303);
    assert!(
        wang.get(&page)
            .await
            .unwrap()
            .body
            .contains("来电人又说了门牌号")
    );
    let listed = wang.get("/cases?tab=open").await.unwrap();
    assert!(listed.body.contains(&case));
    let found = wang.get(&format!("/find?q={case}")).await.unwrap();
    assert_eq!(found.leads_to(), page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_people_type_is_shown_as_they_typed_it_and_runs_nowhere() {
    const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}";
    let ground = City::new();
    let node = ground.found("德州市").await;
    node.desk().add_unit("<b>城管局</b>").await;
    let mut wang = clerk(&node, "wang").await;
    let mut fields = request(HOSTILE);
    fields.extend([
        ("where", HOSTILE),
        ("requester.address", HOSTILE),
        ("external_number", HOSTILE),
    ]);
    let slip = wang.fill("/register", "/register", &fields).await.unwrap();
    let case = number(&slip);
    let mut wrong = fields.clone();
    wrong[1] = ("class", HOSTILE);
    let pages = [
        wang.fill("/register", "/register", &wrong).await.unwrap(),
        wang.get(&format!("/cases/{case}")).await.unwrap(),
        wang.get("/cases?tab=open").await.unwrap(),
        wang.get("/people").await.unwrap(),
        wang.get(&format!("/find?q={}", encoded(HOSTILE)))
            .await
            .unwrap(),
        wang.get(&format!("/{}", encoded(HOSTILE))).await.unwrap(),
        wang.get(&format!("/sign-in?back={}", encoded(HOSTILE)))
            .await
            .unwrap(),
        wang.post("/track", &[("number", HOSTILE), ("code", HOSTILE)])
            .await
            .unwrap(),
    ];
    for (number, page) in pages.iter().enumerate() {
        for raw in ["<script", "<img", "<b>城管局"] {
            assert!(!page.body.contains(raw), "page {number}: {raw}");
        }
    }
    assert!(
        pages[1].body.contains("&#60;script&#62;"),
        "shown, not dropped: {}",
        pages[1].body
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_resident_submits_and_looks_after_a_request_and_nobody_else_does() {
    let ground = City::new();
    let node = ground.found("德州市").await;
    let mut resident = browser(&node);
    assert_eq!(
        resident.get("/submit").await.unwrap().status,
        404,
        "nobody opened it"
    );
    node.desk()
        .account("residents", &[pb::Role::Clerk], "")
        .await;
    let typed = [
        ("text", "路灯不亮"),
        ("class", "路灯与公共照明"),
        ("channel", "phone"),
        ("urgency", "emergency"),
    ];
    let slip = resident.fill("/submit", "/submit", &typed).await.unwrap();
    let case = number(&slip);
    let code = slip
        .body
        .split("num big\">")
        .nth(2)
        .unwrap()
        .split('<')
        .next()
        .unwrap();
    let view = node.desk().case(&case).await.unwrap();
    assert_eq!(
        (view.channel.as_str(), view.urgency.as_str()),
        ("web", "ordinary"),
        "not the resident's to say"
    );

    let mut other = browser(&node);
    let spoken = code.to_uppercase();
    let seen = other
        .post("/track", &[("number", &case), ("code", &spoken)])
        .await
        .unwrap();
    assert_eq!(seen.status, 200, "{}", seen.body);
    assert!(seen.body.contains("已登记") && !seen.body.contains("路灯不亮"));
    let said = |page: &Page| page.between("role=\"alert\"", "</div>").unwrap().to_owned();
    let guessed = other
        .post("/track", &[("number", &case), ("code", "0000000000000000")])
        .await
        .unwrap();
    let unknown = other
        .post("/track", &[("number", "3714-99999999z"), ("code", code)])
        .await
        .unwrap();
    assert_eq!((guessed.status, unknown.status), (422, 422));
    assert_eq!(said(&guessed), said(&unknown), "no oracle");
    let mut last = 0;
    for _ in 0..5 {
        last = other
            .post("/track", &[("number", &case), ("code", "1")])
            .await
            .unwrap()
            .status;
    }
    assert_eq!(last, 429);
    for path in ["/", "/directory", "/track", "/style"] {
        assert_eq!(resident.get(path).await.unwrap().status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn texts_are_for_who_handles_the_case_and_links_for_administrators() {
    let ground = City::new();
    let node = ground.found("德州市").await;
    let desk = node.desk();
    desk.add_unit("市城管局").await;
    desk.account("sun", &[pb::Role::Handler], "市城管局").await;
    let mut wang = clerk(&node, "wang").await;
    let mut sun = signed_in(&node, "sun").await;
    let case = registered(&mut wang, "邻居家的秘密").await;
    let page = format!("/cases/{case}");
    assert!(wang.get(&page).await.unwrap().body.contains("邻居家的秘密"));
    let foreign = sun.get(&page).await.unwrap();
    assert!(!foreign.body.contains("邻居家的秘密") && !foreign.body.contains("13800000000"));
    let denied = sun.post("/people/wang/link", &[]).await.unwrap();
    assert_eq!(denied.status, 403);
    let mut admin = signed_in(&node, "admin").await;
    let made = admin.post("/people/wang/link", &[]).await.unwrap();
    let link = made.between("<code>", "</code>").unwrap().to_owned();
    assert_eq!(browser(&node).get(&link).await.unwrap().status, 200);
    let decline = format!("{page}/decline");
    let reason = [("ground", "unlawful"), ("reason", "无")];
    let denied = sun.fill(&decline, &decline, &reason).await.unwrap();
    assert_eq!(denied.status, 422);
    assert_eq!(desk.case(&case).await.unwrap().stage, "registered");

    let english = sun.get("/language/en?back=/today").await.unwrap();
    assert_eq!(english.leads_to(), "/today");
    let today = sun.get("/today").await.unwrap();
    assert!(today.body.contains("Mine to do") && today.body.contains("lang=\"en\""));
}
