//! The pages of the demonstration: ready-made people whom a newcomer can be, at the city, the district and the
//! sub-district of the railway.

use fengqiao_tests::kit::browser::Browser;
use fengqiao_tests::kit::failed::{Done, Failed};

use super::node::Node;
use super::place::At;
use super::scene::Scene;

/// The one password of everybody in it: it guards nothing.
const PASSWORD: &str = "fengqiao-2023";
/// Who they are: account, Chinese, English.
const PEOPLE: [(&str, &str, &str); 3] = [
    ("clerk", "受理员", "clerk"),
    ("visitor", "回访员", "who visits"),
    ("leader", "领导、审核人", "leader and approver"),
];
/// Who handles for a unit of the city.
const HANDLER: (&str, &str, &str) = ("chengguan", "市城市管理局承办人", "handler of a unit");

/// Gives everybody a password, and says where the pages are and who may come.
///
/// # Errors
/// A node gives no link, or does not take the password: `DEMO_PAGES`.
pub(super) async fn open(scene: &Scene) -> Done<String> {
    let mut lines = Vec::new();
    for at in [At::City, At::Decheng, At::Xinhua] {
        let node = scene.node(at);
        let handler = (at == At::City).then_some(HANDLER);
        let mut people = Vec::new();
        for (login, zh, en) in PEOPLE.into_iter().chain(handler) {
            enter(node, login).await?;
            people.push(format!("{login} {zh} {en}"));
        }
        let port = node.node.ports.pages;
        lines.push(format!(
            "  {} {}\n    https://localhost:{port}/\n    {}",
            node.name,
            at.english(),
            people.join(" · ")
        ));
    }
    Ok(format!(
        "\n用浏览器打开（证书由各节点自签，请选择继续访问），密码均为 {PASSWORD}\n\
         In a browser (each node signs its own certificate; go on), every password is {PASSWORD}\n\n{}",
        lines.join("\n")
    ))
}

async fn enter(node: &Node, login: &str) -> Done<()> {
    let failed = |error: anyhow::Error| {
        let english = format!("{}: {login} does not get in: {error:#}", node.name);
        Failed::new("DEMO_PAGES", english, "无法登录网页")
    };
    let said = node
        .node
        .say(&["--output", "json", "account", "link", login])
        .map_err(failed)?;
    let link = serde_json::from_str::<serde_json::Value>(&said.out)
        .map_err(|error| failed(error.into()))?;
    let path = link["path"].as_str().unwrap_or_default();
    let mut browser = Browser::of(node.node.ports.pages, node.folder()).map_err(failed)?;
    let entered = browser.welcome(path, PASSWORD).await.map_err(failed)?;
    if entered.status != 303 {
        return Err(failed(anyhow::anyhow!("status {}", entered.status)));
    }
    Ok(())
}
