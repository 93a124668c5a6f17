//! Facts about configurations.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::fs;
use std::net::TcpListener;

use super::*;

fn from_text(text: &str) -> Result<Config, ConfigError> {
    let mut sources = Sources::default();
    sources.read_text(Path::new("fengqiao.toml"), text)?;
    Config::from_sources(sources)
}

fn load(
    text: &str,
    environment: &[(&str, &str)],
    flags: &Overrides,
) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fengqiao.toml");
    fs::write(&path, text).unwrap();
    let pairs = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(Some(&path), pairs, flags)
}

fn defaults() -> Config {
    Config::load(None, std::iter::empty(), &Overrides::new()).unwrap()
}

/// Text, line, column, code, what the English message contains.
type Bad = (&'static str, usize, usize, Code, &'static str);

const BAD: &[Bad] = &[
    (
        "[link]\nkeepalive_interval = 1\n",
        2,
        1,
        Code::UnknownKey,
        "did you mean `keepalive_interval_ms`?",
    ),
    (
        "[link]\n  lisetn = \"x\"\n",
        2,
        3,
        Code::UnknownKey,
        "did you mean `listen`?",
    ),
    (
        "[lnik]\nlisten = \"x\"\n",
        2,
        1,
        Code::UnknownKey,
        "no section [lnik]; did you mean [link]?",
    ),
    (
        "[desk]\ncache_bytes = 1\n",
        2,
        1,
        Code::UnknownKey,
        "did you mean `cache_bytes` in [store]?",
    ),
    (
        "listen = \"0.0.0.0:1\"\n",
        1,
        1,
        Code::UnknownKey,
        "outside every section",
    ),
    (
        "[link]\nwhatever = 1\n",
        2,
        1,
        Code::UnknownKey,
        "`fengqiao config` lists every key",
    ),
    (
        "[link]\nparent_password = \"hunter2\"\n",
        2,
        1,
        Code::SecretInline,
        "a file of its own",
    ),
    (
        "[link]\nretry_ms_min = 5\n",
        2,
        16,
        Code::BadValue,
        "from 10 to 3600000, not 5",
    ),
    (
        "[link]\nretry_ms_min = \"1000\"\n",
        2,
        16,
        Code::BadValue,
        "a whole number",
    ),
    (
        "[link]\nretry_ms_min = 1.5\n",
        2,
        16,
        Code::BadValue,
        "not a number with a fraction",
    ),
    (
        "[link]\nretry_ms_min = 99999999999999999999\n",
        2,
        16,
        Code::BadValue,
        "too large",
    ),
    (
        "[link]\nlisten = \"7443\"\n",
        2,
        10,
        Code::BadValue,
        "an IP address and a port",
    ),
    (
        "[link]\nlisten = true\n",
        2,
        10,
        Code::BadValue,
        "not a boolean",
    ),
    (
        "[link]\nlisten = \"0.0.0.0:70000\"\n",
        2,
        10,
        Code::BadValue,
        "0.0.0.0:70000",
    ),
    (
        "[link]\nparent_address = \"county\"\n",
        2,
        18,
        Code::BadValue,
        "a host and a port",
    ),
    (
        "[link]\nparent_address = \"county:0\"\n",
        2,
        18,
        Code::BadValue,
        "a host and a port",
    ),
    (
        "# 县\n[time]\nzone_offset_minutes = 900\n",
        3,
        23,
        Code::BadValue,
        "from -720 to 840",
    ),
    (
        "[log]\nformat = \"xml\"\n",
        2,
        10,
        Code::BadValue,
        "\"text\" or \"json\"",
    ),
    (
        "[log]\nfilter = \"fengqiao=loud\"\n",
        2,
        10,
        Code::BadValue,
        "a filter",
    ),
    ("[data]\nfolder = \"\"\n", 2, 10, Code::BadValue, "a path"),
    (
        "[places]\nhost = [\"a\", \"../b\"]\n",
        2,
        8,
        Code::BadValue,
        "plain folder names",
    ),
    (
        "[places]\nhost = [\"a\", \"a\"]\n",
        2,
        8,
        Code::BadValue,
        "different",
    ),
    (
        "[places]\nhost = \"a\"\n",
        2,
        8,
        Code::BadValue,
        "plain folder names",
    ),
    ("[link]\nlisten = \n", 2, 10, Code::Syntax, "not TOML"),
    (
        "[link]\nstreams_max = 1\nstreams_max = 2\n",
        3,
        1,
        Code::Syntax,
        "duplicate",
    ),
    (
        "places = { 村庄 = 1, hostt = [] }\n",
        1,
        12,
        Code::Syntax,
        "unquoted key",
    ),
    (
        "link = { streams_max = 8, \"村庄\" = 1 }\n",
        1,
        27,
        Code::UnknownKey,
        "`村庄`",
    ),
    (
        "link = { parent_address = \"村庄\", streams = 1 }\n",
        1,
        33,
        Code::UnknownKey,
        "`streams_max`",
    ),
    (
        "[link]\nretry_ms_min = 400_000\n",
        2,
        16,
        Code::Contradiction,
        "may not exceed link.retry_ms_max",
    ),
    (
        "[link]\nretry_ms_max = 500\n",
        2,
        16,
        Code::Contradiction,
        "link.retry_ms_min = 1000",
    ),
    (
        "[journal]\nsegment_bytes = 0x10000\n",
        2,
        17,
        Code::Contradiction,
        "group_bytes_max",
    ),
];

#[test]
fn every_bad_file_is_refused_at_its_line_and_column() {
    for (text, line, column, code, words) in BAD {
        let error = from_text(text).unwrap_err();
        let found = error.problems().iter().any(|problem| {
            let here = matches!(&problem.place,
                Place::File { line: l, column: c, .. } if (l, c) == (line, column));
            here && (problem.code == *code) && problem.english.contains(words)
        });
        assert!(found, "{text:?} gave\n{error}");
    }
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_file() {
    let error = from_text("[store]\ncache = 1\n[link]\nstreams_max = 0\nlistne = 1\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "fengqiao.toml:2:1: [store] has no key `cache`; did you mean `cache_bytes`? \
         [CONFIG_UNKNOWN_KEY]\n    [store] 中没有 `cache` 这一项；是不是 `cache_bytes`？\n\
         fengqiao.toml:4:15: link.streams_max must be a whole number from 1 to 1024, not 0 \
         [CONFIG_BAD_VALUE]\n    link.streams_max 应为 1 到 1024 之间的整数，而不是 0\n\
         fengqiao.toml:5:1: [link] has no key `listne`; did you mean `listen`? \
         [CONFIG_UNKNOWN_KEY]\n    [link] 中没有 `listne` 这一项；是不是 `listen`？"
    );
}

#[test]
fn a_value_under_an_unknown_key_is_never_repeated() {
    let error = from_text("[link]\nparent_token = \"hunter2\"\nodd = \"hunter2\"\n").unwrap_err();
    assert!(!error.to_string().contains("hunter2"));
    let error = load("", &[("FENGQIAO__LINK__ODD", "hunter2")], &Overrides::new()).unwrap_err();
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let file = "[link]\nstreams_max = 2\ncredit_items = 2\nretry_ms_min = 2000\n";
    let environment = [
        ("FENGQIAO__LINK__STREAMS_MAX", "3"),
        ("FENGQIAO__LINK__CREDIT_ITEMS", "3"),
    ];
    let flags = Overrides::new().set("--streams", "link.streams_max", "4");

    let config = load(file, &environment, &flags).unwrap();

    assert_eq!(config.link.streams_max, 4);
    assert_eq!(config.link.credit_items, 3);
    assert_eq!(config.link.retry_ms_min, 2_000);
    assert_eq!(config.link.retry_ms_max, 300_000);
    let shown = config.render(Origins::Shown);
    assert!(shown.contains("streams_max = 4  # --streams\n"));
    assert!(shown.contains("credit_items = 3  # FENGQIAO__LINK__CREDIT_ITEMS\n"));
    assert!(shown.contains("fengqiao.toml:4:16\n"));
    assert!(shown.contains("retry_ms_max = 300000  # default / 默认值\n"));
}

#[test]
fn environment_and_flags_are_refused_by_their_own_names() {
    let error = load(
        "",
        &[("FENGQIAO__LINK__STREAMS_MAX", "many")],
        &Overrides::new(),
    )
    .unwrap_err();
    assert_eq!(
        error.problems()[0].place,
        Place::Environment("FENGQIAO__LINK__STREAMS_MAX".into())
    );
    assert_eq!(error.problems()[0].code, Code::BadValue);
    let error = load("", &[("FENGQIAO__LNK__LISTEN", "x")], &Overrides::new()).unwrap_err();
    assert!(error.problems()[0].english.contains("did you mean [link]?"));
    let flags = Overrides::new().set("--listen", "link.listen", "nowhere");
    let error = load("", &[], &flags).unwrap_err();
    assert_eq!(error.problems()[0].place, Place::Flag("--listen".into()));
    assert!(
        load(
            "",
            &[("PATH", "x"), ("FENGQIAO_HOME", "x")],
            &Overrides::new()
        )
        .is_ok()
    );
}

#[test]
fn lists_come_from_the_environment_separated_by_commas() {
    let environment = [("FENGQIAO__PLACES__HOST", "hongqi, dongfeng")];
    let config = load("", &environment, &Overrides::new()).unwrap();
    assert_eq!(config.places.host, ["hongqi", "dongfeng"]);
}

#[test]
fn the_rendered_defaults_load_as_the_defaults() {
    let text = render_defaults();
    let mut config = from_text(&text).unwrap();
    config.keys = defaults().keys;
    assert_eq!(config, defaults());
    let comments = text.lines().filter(|line| line.starts_with("# ")).count();
    assert!(comments >= 2 * defaults().keys.len());
}

#[test]
fn a_rendered_configuration_loads_as_itself() {
    let text = "[link]\nparent_address = \"[::1]:7443\"\nlisten = \"[::]:1\"\n[places]\nhost = [\"村\"]\n\
                [log]\nformat = \"json\"\n[desk]\nsocket = \"/run/a \\\" b.sock\"\n";
    let config = from_text(text).unwrap();
    let mut again = from_text(&config.render(Origins::Shown)).unwrap();
    again.keys = config.keys.clone();
    assert_eq!(again, config);
}

#[test]
fn a_key_that_was_renamed_is_refused_with_its_new_name() {
    let mut sources = Sources::default();
    sources
        .read_text(Path::new("a.toml"), "[link]\nretry_max = 1\n")
        .unwrap();
    let mut reader = Reader::new(sources);
    Config::ask(&mut reader);
    let problems = unknown::unknown_keys(&reader, &[("link.retry_max", "link.retry_ms_max")]);
    assert_eq!(problems[0].code, Code::RenamedKey);
    assert!(problems[0].english.contains("`link.retry_ms_max` now"));
}

#[test]
fn every_renamed_key_is_gone_and_its_new_name_exists() {
    let keys = defaults().keys;
    let exists = |name: &str| {
        keys.iter()
            .any(|key| format!("{}.{}", key.section, key.name) == name)
    };
    for (old, new) in unknown::RENAMED {
        assert!(!exists(old) && exists(new), "{old} -> {new}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let missing = Path::new("/nonexistent/fengqiao.toml");
    let error = Config::load(Some(missing), std::iter::empty(), &Overrides::new()).unwrap_err();
    assert_eq!(error.problems()[0].code, Code::Unreadable);
    assert!(
        error
            .to_string()
            .starts_with("/nonexistent/fengqiao.toml: cannot be read")
    );

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gbk.toml");
    fs::write(&path, b"[data]\n# \xB7\xE3\xC7\xC5\n").unwrap();
    let error = Config::load(Some(&path), std::iter::empty(), &Overrides::new()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("is not UTF-8 text from line 2 on")
    );
}

#[test]
fn a_file_saved_by_a_windows_editor_is_read() {
    let config = load(
        "\u{feff}[link]\r\nstreams_max = 3\r\n",
        &[],
        &Overrides::new(),
    )
    .unwrap();
    assert_eq!(config.link.streams_max, 3);
}

#[test]
fn paths_in_a_file_start_at_its_folder_and_the_socket_in_the_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fengqiao.toml");
    fs::write(&path, "[data]\nfolder = \"here\"\n").unwrap();
    let config = Config::load(Some(&path), std::iter::empty(), &Overrides::new()).unwrap();
    assert_eq!(config.data.folder, folder.path().join("here"));
    assert_eq!(config.desk.socket, folder.path().join("here/fengqiao.sock"));
}

#[test]
fn a_socket_path_longer_than_the_system_allows_is_refused() {
    let text = format!(
        "[desk]\nsocket = \"/{}\"\n",
        "s".repeat(SOCKET_PATH_BYTES_MAX)
    );
    let error = from_text(&text).unwrap_err();
    assert_eq!(error.problems()[0].code, Code::Contradiction);
}

#[test]
fn two_listeners_at_one_port_are_refused_with_both_names() {
    let config = from_text("[desk]\nlisten = \"127.0.0.1:7443\"\n").unwrap();
    let error = config.check_ports_differ().unwrap_err();
    assert_eq!(error.problems().len(), 1);
    assert_eq!(error.problems()[0].code, Code::PortTwice);
    assert!(
        error
            .to_string()
            .starts_with("fengqiao.toml:2:10: desk.listen")
    );
    assert!(error.to_string().contains("link.listen"));

    let apart = "[desk]\nlisten = \"127.0.0.1:7000\"\n[operations]\nlisten = \"127.0.0.2:7000\"\n";
    from_text(apart).unwrap().check_ports_differ().unwrap();
    let any = "[desk]\nlisten = \"127.0.0.1:0\"\n[operations]\nlisten = \"127.0.0.1:0\"\n";
    from_text(any).unwrap().check_ports_differ().unwrap();
    defaults().check_ports_differ().unwrap();
}

#[test]
fn a_port_that_another_program_holds_is_refused_with_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let free = "listen = \"127.0.0.1:0\"\n";
    let text = format!(
        "[link]\n{free}[enrol]\n{free}[pages]\n{free}redirect = \"127.0.0.1:0\"\n[operations]\n{free}[desk]\nlisten = \"{address}\"\n"
    );
    let error = from_text(&text).unwrap().check_ports_free().unwrap_err();
    assert_eq!(error.problems().len(), 1);
    assert_eq!(error.problems()[0].code, Code::PortInUse);
    assert!(
        error
            .to_string()
            .starts_with("fengqiao.toml:11:10: desk.listen")
    );
    drop(taken);
    from_text(&text).unwrap().check_ports_free().unwrap();
}

#[test]
fn an_address_of_another_machine_is_refused() {
    let free = "listen = \"127.0.0.1:0\"\n";
    let text = format!(
        "[link]\n{free}[enrol]\n{free}[pages]\n{free}redirect = \"127.0.0.1:0\"\n[operations]\n{free}[desk]\nlisten = \"192.0.2.1:7445\"\n"
    );
    let error = from_text(&text).unwrap().check_ports_free().unwrap_err();
    assert_eq!(error.problems()[0].code, Code::AddressUnavailable);
}
