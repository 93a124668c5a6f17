//! Every key there is: name, default, bounds, and what it is for. Knows no source.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Component, Path};

use super::reader::{Reader, words};
use super::{
    Config, Data, Desk, Enrol, Journal, Link, Log, LogFormat, Operations, PLACES_HOSTED_MAX, Pages,
    Places, SOCKET_NAME, Store, Time,
};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

impl Config {
    /// The one list of keys.
    pub(super) fn ask(reader: &mut Reader) -> Config {
        let data = ask_data(reader);
        let link = ask_link(reader);
        reader.section("enrol");
        let enrol = Enrol {
            listen: reader.address(
                "listen",
                everywhere(7444),
                words("新节点凭邀请码入网的监听地址", "where invited nodes enrol"),
            ),
        };
        let desk = ask_desk(reader, &data.folder);
        let pages = ask_pages(reader);
        reader.section("operations");
        let operations = Operations {
            listen: reader.address(
                "listen",
                loopback(9464),
                words("运行指标与健康检查的监听地址", "metrics and health checks"),
            ),
        };
        Config {
            data,
            link,
            enrol,
            desk,
            pages,
            operations,
            journal: ask_journal(reader),
            store: ask_store(reader),
            time: ask_time(reader),
            log: ask_log(reader),
            places: ask_places(reader),
            keys: Vec::new(),
        }
    }
}

fn ask_data(reader: &mut Reader) -> Data {
    reader.section("data");
    let folder = words(
        "日志、索引和密钥所在目录",
        "the folder of journal, store and keys",
    );
    Data {
        folder: reader
            .path("folder", Some("/var/lib/fengqiao"), folder)
            .unwrap_or_default(),
    }
}

#[rustfmt::skip]
fn ask_link(reader: &mut Reader) -> Link {
    reader.section("link");
    Link {
        listen: reader.address("listen", everywhere(7443),
            words("下级和部门连入的监听地址", "where children and departments dial in")),
        parent_address: ask_parent(reader),
        keepalive_interval_ms: reader.number("keepalive_interval_ms", 20_000, 1_000..=3_600_000,
            words("空闲连接的探活间隔，毫秒", "between two pings on an idle connection")),
        keepalive_timeout_ms: reader.number("keepalive_timeout_ms", 10_000, 500..=600_000,
            words("探活无应答多久断开，毫秒", "until an unanswered ping ends the connection")),
        connect_timeout_ms: reader.number("connect_timeout_ms", 10_000, 100..=600_000,
            words("建立连接的时限，毫秒", "until an attempt to connect is given up")),
        retry_ms_min: reader.number("retry_ms_min", 1_000, 10..=3_600_000,
            words("断线后首次重连等待，毫秒", "the first pause before dialling again")),
        retry_ms_max: reader.number("retry_ms_max", 300_000, 100..=86_400_000,
            words("重连等待的上限，毫秒", "the longest pause before dialling again")),
        frame_bytes_max: reader.number("frame_bytes_max", MIB, 64 * KIB..=16 * MIB,
            words("单帧最大字节数", "the largest frame taken in")),
        connection_age_s: reader.number("connection_age_s", 86_400, 60..=2_592_000,
            words("连接多久后更新一次，秒", "after this a connection is renewed")),
        handshake_timeout_ms: reader.number("handshake_timeout_ms", 10_000, 500..=120_000,
            words("TLS 握手时限，毫秒", "until a TLS handshake is given up")),
        streams_max: reader.number("streams_max", 8, 1..=1_024,
            words("单个连接上的并发流数", "streams at once on one connection")),
        credit_items: reader.number("credit_items", 1_024, 1..=100_000,
            words("每条通道在途条数上限", "entries in flight on one lane")),
        credit_bytes: reader.number("credit_bytes", 4 * MIB, 64 * KIB..=256 * MIB,
            words("每条通道在途字节上限", "bytes in flight on one lane")),
    }
}

fn ask_parent(reader: &mut Reader) -> Option<String> {
    let expected = (
        "host:port",
        (
            "a host and a port, such as \"county.example:7443\"",
            "主机名加端口，例如 \"county.example:7443\"",
        ),
    );
    let meaning = words(
        "上级地址；最上级不填",
        "the parent's address; the top has none",
    );
    let parent = reader.text("parent_address", None, expected, is_host_and_port, meaning);
    reader.example("\"county.example:7443\"");
    parent
}

fn ask_desk(reader: &mut Reader, folder: &Path) -> Desk {
    reader.section("desk");
    let listen = words(
        "办事员和其他系统的 gRPC 监听地址",
        "gRPC for clerks and other systems",
    );
    let listen = reader.address("listen", loopback(7445), listen);
    let socket = words(
        "本机命令行用的套接字；不填则为 <data.folder>/fengqiao.sock",
        "socket for the command line on this machine; if not set, <data.folder>/fengqiao.sock",
    );
    let socket = reader.path("socket", None, socket);
    reader.example("\"/run/fengqiao/fengqiao.sock\"");
    Desk {
        listen,
        socket: socket.unwrap_or_else(|| folder.join(SOCKET_NAME)),
    }
}

#[rustfmt::skip]
fn ask_pages(reader: &mut Reader) -> Pages {
    reader.section("pages");
    let pages = Pages {
        listen: reader.address("listen", everywhere(8443),
            words("工作人员和群众网页的 HTTPS 监听地址", "pages for people with a browser, over HTTPS")),
        redirect: reader.address("redirect", everywhere(8080),
            words("HTTP 监听地址，只跳转到 HTTPS", "HTTP that only sends browsers on to HTTPS")),
        names: reader.list("names",
            ("names or addresses", "域名或地址"),
            |names| names.iter().all(|name| is_page_name(name)),
            words("浏览器访问本机所用的其他域名或地址，写入自签证书", "further names and addresses under which browsers come, for the node's own certificate")),
        certificate_file: reader.path("certificate_file", None,
            words("单位自有证书（PEM）；不填则由本机签发", "certificate chain in PEM; if not set, the node makes its own")),
        key_file: None,
    };
    reader.example("\"/etc/fengqiao/pages.pem\"");
    let key_file = reader.path("key_file", None,
        words("上述证书的私钥（PEM）", "its key in PEM"));
    reader.example("\"/etc/fengqiao/pages.key\"");
    Pages { key_file, ..pages }
}

fn is_page_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte))
}

#[rustfmt::skip]
fn ask_journal(reader: &mut Reader) -> Journal {
    reader.section("journal");
    Journal {
        segment_bytes: reader.number("segment_bytes", 16 * MIB, 64 * KIB..=GIB,
            words("日志分段大小；小磁盘用 1048576", "size at which a segment is sealed; 1048576 on small disks")),
        group_entries_max: reader.number("group_entries_max", 128, 1..=10_000,
            words("一次落盘最多合并的条数", "entries that share one sync")),
        group_bytes_max: reader.number("group_bytes_max", MIB, 4 * KIB..=16 * MIB,
            words("一次落盘最多合并的字节数", "bytes that share one sync")),
        reserve_bytes: reader.number("reserve_bytes", 128 * MIB, 0..=16 * GIB,
            words("磁盘预留字节；取此值与磁盘 2% 中较小者", "space kept back; the smaller of this and 2 % of the disk")),
        read_only_below_percent: reader.number("read_only_below_percent", 5, 0..=50,
            words("可用空间低于此百分比时只读", "below this share of free space the node only reads")),
        read_only_below_bytes: reader.number("read_only_below_bytes", 64 * MIB, 0..=1_024 * GIB,
            words("可用空间低于此字节数时只读", "below this much free space the node only reads")),
    }
}

#[rustfmt::skip]
fn ask_store(reader: &mut Reader) -> Store {
    reader.section("store");
    Store {
        cache_bytes: reader.number("cache_bytes", 4 * MIB, 256 * KIB..=16 * GIB,
            words("索引缓存；村镇 1-4 MiB，市级 64 MiB", "memory for the index: 1-4 MiB a village or township, 64 MiB a city")),
    }
}

#[rustfmt::skip]
fn ask_time(reader: &mut Reader) -> Time {
    reader.section("time");
    Time {
        zone_offset_minutes: reader.signed("zone_offset_minutes", 480, -720..=840,
            words("时区，东为正，分钟", "minutes east of UTC")),
        clock_skew_warn_s: reader.number("clock_skew_warn_s", 300, 1..=31_536_000,
            words("与上级时钟相差多少秒时提示", "a clock that differs by more seconds is shown")),
        clock_skew_stop_s: reader.number("clock_skew_stop_s", 3_600, 1..=31_536_000,
            words("相差多少秒时停止自动预警和上报", "a clock that differs by more stops automatic warnings and escalations")),
        tick_ms: reader.number("tick_ms", 10_000, 100..=3_600_000,
            words("每隔多少毫秒检查一次办理期限和磁盘", "between two looks at due times and the disk")),
    }
}

fn ask_log(reader: &mut Reader) -> Log {
    reader.section("log");
    let format = reader.text(
        "format",
        Some("text"),
        (
            "text or json",
            ("\"text\" or \"json\"", "\"text\" 或 \"json\""),
        ),
        |text| matches!(text, "text" | "json"),
        words(
            "日志格式：text 供人看，json 供程序读",
            "text for people, json for programs",
        ),
    );
    let filter = reader.text(
        "filter",
        Some("info"),
        (
            "filter",
            (
                "a filter that lets something through, such as \"info\" or \"info,fengqiao_node::link=debug\"",
                "能放行日志的过滤条件，例如 \"info\" 或 \"info,fengqiao_node::link=debug\"",
            ),
        ),
        super::filter::lets_something_through,
        words("写哪些日志", "which lines are written"),
    );
    Log {
        format: if format.as_deref() == Some("json") {
            LogFormat::Json
        } else {
            LogFormat::Text
        },
        filter: filter.unwrap_or_default(),
    }
}

fn ask_places(reader: &mut Reader) -> Places {
    reader.section("places");
    let host = reader.list(
        "host",
        (
            "up to 1024 different plain folder names, such as [\"hongqi\", \"dongfeng\"]",
            "至多 1024 个互不相同的目录名，例如 [\"hongqi\", \"dongfeng\"]",
        ),
        are_folder_names,
        words(
            "一个进程托管多个地方时，各地方在数据目录下的子目录；不填则只有一个地方",
            "subfolders of the data folder, one a hosted place; empty: the data folder is the one",
        ),
    );
    Places { host }
}

fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_name = !host.is_empty()
        && host.len() <= 253
        && host
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-.".contains(letter));
    let is_address = text.parse::<SocketAddr>().is_ok();
    (is_name || is_address) && port.parse::<u16>().is_ok_and(|port| port != 0)
}

fn are_folder_names(names: &[String]) -> bool {
    let is_plain = |name: &String| {
        let mut parts = Path::new(name).components();
        matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name.as_str())
    };
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    sorted.dedup();
    names.len() <= PLACES_HOSTED_MAX && sorted.len() == names.len() && names.iter().all(is_plain)
}

fn everywhere(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
