//! Tables as people bring them, to a running node: what its import reads, refuses and says.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use fengqiao_tests::city::City;
use fengqiao_tests::city::process::{Node, Said};
use serde_json::json;

const HEADER: &str = "编号,渠道,类别,来件时间,内容,姓名,电话\n";
const MAPPING: &str = include_str!("../../deploy/import/mapping.toml");

/// A city whose node runs, and files for it.
struct Ground {
    city: City,
    node: Node,
}

impl Ground {
    async fn new() -> Self {
        let city = City::new();
        let node = city.found("德州市").await;
        Self { city, node }
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.city.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Imports requests by the mapping of the repository, or another one.
    fn import_by(
        &self,
        mapping: &str,
        name: &str,
        bytes: impl AsRef<[u8]>,
        words: &[&str],
    ) -> Said {
        let file = self.file(name, bytes);
        let mapping = self.file("mapping.toml", mapping);
        let mut all = vec![
            "import",
            file.to_str().unwrap(),
            "--mapping",
            mapping.to_str().unwrap(),
        ];
        all.extend(["--as", "admin", "--lang", "zh"]);
        all.extend(words);
        self.node.cli(&all)
    }

    fn import(&self, name: &str, bytes: impl AsRef<[u8]>, words: &[&str]) -> Said {
        self.import_by(MAPPING, name, bytes, words)
    }

    fn places(&self, name: &str, bytes: impl AsRef<[u8]>, words: &[&str]) -> Said {
        let file = self.file(name, bytes);
        let mut all = vec!["place", "import", file.to_str().unwrap(), "--as", "admin"];
        all.extend(words);
        self.node.cli(&all)
    }

    async fn cases(&self) -> u64 {
        self.node.desk().status().await.cases
    }

    /// Names of places known here, this one included.
    fn names(&self) -> Vec<String> {
        let said = self.node.cli(&["place", "list"]);
        let places = said.json()["places"].as_array().unwrap().clone();
        let mut names: Vec<String> = places
            .iter()
            .map(|place| {
                let code = place["code"].as_str().unwrap_or_default();
                format!("{} {code}", place["name"].as_str().unwrap())
            })
            .collect();
        names.sort();
        names
    }
}

fn line(key: &str, class: &str, received: &str, text: &str, phone: &str) -> String {
    format!("{key},电话,{class},{received},{text},张三,{phone}\n")
}

fn good(key: &str) -> String {
    line(key, "道路", "2023-02-15 08:40", "路面积水", "13800000000")
}

fn table(rows: &[String]) -> String {
    format!("{HEADER}{}", rows.concat())
}

/// The lines, columns and codes of what was refused.
fn refused(said: &Said) -> Vec<(u64, u64, String)> {
    let said = said.json();
    let rows = said["refused"].as_array().unwrap();
    rows.iter()
        .map(|row| {
            (
                row["line"].as_u64().unwrap(),
                row["column"].as_u64().unwrap_or(0),
                row["code"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

fn one(line: u64, column: u64, code: &str) -> Vec<(u64, u64, String)> {
    vec![(line, column, code.to_owned())]
}

/// Rows, new, known, refused.
fn counted(said: &Said) -> [u64; 4] {
    let said = said.json();
    ["rows", "new", "known", "refused_rows"].map(|name| said[name].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_stray_or_lost_quotation_mark_is_refused_by_line_and_column_and_nothing_is_registered() {
    let ground = Ground::new().await;
    let stray = table(&[
        line(
            "Q-1",
            "道路",
            "2023-02-15 08:40",
            "\"他说\"不行\"\"",
            "13800000000",
        ),
        line(
            "Q-2",
            "道路",
            "2023-02-15 08:40",
            "管径6\"，漏水",
            "13800000000",
        ),
        good("Q-3"),
    ]);
    let said = ground.import("stray.csv", &stray, &[]);
    let expected = [
        (2, 5, "QUOTE_STRAY".to_owned()),
        (3, 5, "QUOTE_STRAY".to_owned()),
    ];
    assert_eq!(
        (said.code, refused(&said)),
        (1, expected.to_vec()),
        "{said:?}"
    );
    let open = table(&[
        line(
            "Q-4",
            "道路",
            "2023-02-15 08:40",
            "\"没有合上",
            "13800000000",
        ),
        line(
            "Q-5",
            "道路",
            "2023-02-15 08:40",
            "\"李四的事\"",
            "13900000000",
        ),
    ]);
    let said = ground.import("open.csv", &open, &[]);
    assert_eq!(refused(&said), one(2, 5, "QUOTE_STRAY"), "{said:?}");
    assert_eq!(ground.cases().await, 0);
    let said = ground.import("stray.csv", &stray, &["--partial"]);
    assert_eq!((counted(&said), ground.cases().await), ([3, 1, 0, 2], 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_dry_run_is_the_judgement_of_the_run() {
    let ground = Ground::new().await;
    let rows = [
        good("J-1"),
        line(
            "J-2",
            "道路桥梁",
            "2023-02-15 08:40",
            "路面积水",
            "13800000000",
        ),
        line("J-3", "道路", "2023-03-15 08:40", "路面积水", "13800000000"),
        line("J-4", "道路", "1989-12-31 08:40", "路面积水", "13800000000"),
        line("J-5", "道路", "0000-00-00 00:00", "路面积水", "13800000000"),
        line(
            "J-6",
            "道路",
            "2023-02-15 08:40",
            &"长".repeat(7_000),
            "13800000000",
        ),
        line("J-7", "道路", "2023-02-15 08:40", "路面积水", "1.38E+10"),
        line("J-8", "道路", "2023-02-15 08:40", "路面积水", "张三手机"),
        "J-9,电话,道路,2023-02-15 08:40,路面积水,\"张三\n（代李四）\",13800000000\n".to_owned(),
        "J-10,短信,道路,2023-02-15 08:40,路面积水,张三,13800000000\n".to_owned(),
        good("J-1"),
    ];
    let expected: Vec<(u64, u64, String)> = [
        (3, 3, "CLASS_UNKNOWN"),
        (4, 4, "TIME_IN_FUTURE"),
        (5, 4, "TIME_TOO_OLD"),
        (6, 4, "TIME_ZERO"),
        (7, 5, "FIELD_TOO_LONG"),
        (8, 7, "SCIENTIFIC_NOTATION"),
        (9, 7, "TELEPHONE_MALFORMED"),
        (10, 6, "CONTROL_CHARACTER"),
        (12, 2, "CHOICE_UNKNOWN"),
        (13, 1, "ROW_DUPLICATE"),
    ]
    .map(|(line, column, code)| (line, column, code.to_owned()))
    .to_vec();
    let sorted = |said: &Said| {
        let mut refused = refused(said);
        refused.sort();
        refused
    };
    for words in [&["--dry-run"][..], &[], &["--dry-run", "--partial"]] {
        let said = ground.import("rows.csv", table(&rows), words);
        assert_eq!(
            (said.code, sorted(&said)),
            (1, expected.clone()),
            "{words:?} {said:?}"
        );
        assert_eq!(
            (counted(&said), ground.cases().await),
            ([11, 1, 0, 10], 0),
            "{words:?}"
        );
    }
    let said = ground.import("rows.csv", table(&rows), &["--partial"]);
    assert_eq!((said.code, sorted(&said)), (1, expected));
    assert_eq!((counted(&said), ground.cases().await), ([11, 1, 0, 10], 1));
    let told = said.json();
    let unknown = told["refused"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["line"] == 3)
        .unwrap();
    let words = unknown["chinese"].as_str().unwrap();
    assert!(
        words.contains("第3行第3列“类别”") && words.contains("道路、桥梁与井盖"),
        "{words}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn bad_rows_come_back_as_a_table_and_are_registered_when_they_are_mended() {
    let ground = Ground::new().await;
    let rows = table(&[
        good("M-1"),
        line(
            "M-2",
            "道路",
            "2023/2/15 8:40",
            "“路灯”, 坏了",
            "13800000000",
        )
        .replace("“路灯”, 坏了", "\"路灯, 坏了\""),
        line("M-3", "道路", "2023-02-15 08:40", "=cmd", "13800000000"),
    ]);
    let said = ground.import("bad.csv", &rows, &["--partial"]);
    assert_eq!(counted(&said), [3, 2, 0, 1], "{said:?}");
    let rejects = PathBuf::from(said.json()["rejects"].as_str().unwrap());
    assert_eq!(rejects, ground.city.path("bad.rejects.csv"));
    assert_eq!(
        rejects.metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
    let text = std::fs::read_to_string(&rejects).unwrap();
    assert!(
        text.contains("路灯, 坏了") && text.contains("2023-02-16 08:40"),
        "{text}"
    );
    let mended = text.replace("2023/2/15 8:40", "2023-02-15 08:40");
    let said = ground.import("mended.csv", mended, &[]);
    assert_eq!(
        (said.code, counted(&said), ground.cases().await),
        (0, [1, 1, 0, 0], 3),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn new_known_and_changed_rows_are_told_apart_with_their_numbers_and_codes_once() {
    let ground = Ground::new().await;
    let rows = [good("N-1"), good("N-2"), good("N-3")];
    let first = ground.import("one.csv", table(&rows), &[]);
    assert_eq!(
        (first.code, counted(&first)),
        (0, [3, 3, 0, 0]),
        "{first:?}"
    );
    let results = PathBuf::from(first.json()["results"].as_str().unwrap());
    assert_eq!(
        results.metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
    let read = |path: &PathBuf| -> Vec<Vec<String>> {
        let text = std::fs::read_to_string(path).unwrap();
        text.trim_start_matches('\u{feff}')
            .lines()
            .skip(1)
            .map(|line| line.split(',').map(str::to_owned).collect())
            .collect()
    };
    let told = read(&results);
    assert!(
        told.iter()
            .all(|row| row[2] == "新登记" && row[3].starts_with("3714-") && row[4].len() == 16),
        "{told:?}"
    );
    let again = ground.import("one.csv", table(&rows), &[]);
    assert_eq!((again.code, counted(&again)), (0, [3, 0, 3, 0]));
    assert_eq!(read(&results), told, "a code is written once");
    // Elsewhere, reordered, with spaces at the ends and another account: known, and no code.
    let reordered = [
        good("N-3"),
        good(" N-1 "),
        good("N-2").replace("路面积水", " 路面积水 "),
    ];
    let other = ground.import("two.csv", table(&reordered), &[]);
    assert_eq!(counted(&other), [3, 0, 3, 0], "{other:?}");
    let told = read(&ground.city.path("two.results.csv"));
    assert!(
        told.iter()
            .all(|row| row[2] == "此前已登记" && row[4].is_empty()),
        "{told:?}"
    );
    let edited = [
        good("N-1"),
        good("N-2").replace("路面积水", "改动后的原文"),
        good("N-4"),
    ];
    let changed = ground.import("edited.csv", table(&edited), &[]);
    assert_eq!(
        (changed.code, refused(&changed)),
        (1, one(3, 1, "ROW_DIFFERS"))
    );
    let words = changed.json()["refused"][0]["chinese"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        words.contains("3714-") && words.contains("--key-prefix") && words.contains("N-2"),
        "{words}"
    );
    assert_eq!(changed.json()["refused"][0]["key"], "N-2");
    assert_eq!(ground.cases().await, 3);
    let partial = ground.import("edited.csv", table(&edited), &["--partial"]);
    assert_eq!((counted(&partial), ground.cases().await), ([3, 1, 1, 1], 4));
    // A second series that counts from one again.
    let february = ground.import(
        "february.csv",
        table(&edited),
        &["--key-prefix", "2023-02/"],
    );
    assert_eq!(
        (february.code, counted(&february), ground.cases().await),
        (0, [3, 3, 0, 0], 7)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn tables_are_read_as_office_programs_write_them() {
    let ground = Ground::new().await;
    let plain = table(&[good("R-1")]);
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let (national, _, _) = encoding_rs::GB18030.encode(&plain);
    let wide = plain.replace('\n', ",,\r\n");
    for (name, bytes) in [
        ("tabs.txt", plain.replace(',', "\t").into_bytes()),
        ("semicolons.csv", plain.replace(',', ";").into_bytes()),
        (
            "utf16.txt",
            utf16(&format!("\u{feff}{}", plain.replace(',', "\t"))),
        ),
        ("utf16-bare.csv", utf16(&plain)),
        ("national.csv", national.into_owned()),
        ("columns.csv", wide.into_bytes()),
        (
            "rows.csv",
            format!("{plain},,,,,,\n,,,,,,\n\n").into_bytes(),
        ),
        (
            "title.csv",
            format!("某市热线工单汇总表,,,,,,\n{plain}").into_bytes(),
        ),
        ("sep.csv", format!("sep=,\r\n{plain}").into_bytes()),
        ("marks.csv", format!("\u{feff}\u{feff}{plain}").into_bytes()),
        (
            "zero-width.csv",
            plain.replacen("编号", "编号\u{200b}", 1).into_bytes(),
        ),
        (
            "no-break.csv",
            plain.replacen("编号", "编号\u{a0}", 1).into_bytes(),
        ),
        (
            "equals.csv",
            plain
                .replace("13800000000", "\"=\"\"13800000000\"\"\"")
                .replace("R-1", "\"=\"\"R-1\"\"\"")
                .into_bytes(),
        ),
    ] {
        let said = ground.import(name, bytes, &["--dry-run"]);
        let known = if ground.cases().await == 0 {
            [1, 1, 0, 0]
        } else {
            [1, 0, 1, 0]
        };
        assert_eq!((said.code, counted(&said)), (0, known), "{name} {said:?}");
        if name == "tabs.txt" {
            assert_eq!(ground.import(name, plain.replace(',', "\t"), &[]).code, 0);
        }
    }
    let short = table(&[
        "R-2,电话,道路,2023-02-15 08:40,路灯不亮\n".to_owned(),
        good("R-3"),
    ]);
    let said = ground.import("short.csv", short, &[]);
    assert_eq!((said.code, counted(&said)), (0, [2, 2, 0, 0]));
    let passed_over = said.json()["source"]["passed_over"][0]["chinese"].clone();
    assert_eq!(
        passed_over,
        json!("有1行没有写满各列，缺少的单元格按空处理")
    );
    let starred = ground.import("star.csv", plain.replacen("编号", "*编号", 1), &[]);
    assert_eq!(
        (starred.code, starred.error_code().as_str()),
        (1, "MAPPING_COLUMN_MISSING")
    );
    assert!(
        starred.err.contains("*编号") && starred.err.contains("渠道"),
        "{starred:?}"
    );
    let torn = &plain.as_bytes()[..plain.len() - 30];
    let mut torn = torn.to_vec();
    torn.extend(b"\xe8\xb7\n");
    let said = ground.import("torn.csv", torn, &[]);
    assert_eq!(
        (said.code, said.error_code().as_str()),
        (1, "ENCODING_UNKNOWN"),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn rare_characters_of_a_name_are_kept_and_invisible_ones_are_refused() {
    let ground = Ground::new().await;
    let named = |key: &str, name: &str| good(key).replace("张三", name);
    let rows = [
        named("C-1", "𠮷𣎴𪚥"),
        named("C-2", "买买提·艾力"),
        named("C-3", "买买提•艾力"),
        named("C-4", "张\u{200b}三"),
        named("C-5", "\u{202e}张三"),
        named("C-6", "e\u{301}"),
        named("C-7", "\u{feff}张三"),
        named("C-8", "\u{e863}某"),
    ];
    let said = ground.import("names.csv", table(&rows), &["--partial"]);
    let expected = [5, 6, 8].map(|line| (line, 6, "INVISIBLE_CHARACTER".to_owned()));
    assert_eq!(
        (refused(&said), counted(&said)),
        (expected.to_vec(), [8, 5, 0, 3]),
        "{said:?}"
    );
    assert!(
        said.json()["refused"][0]["chinese"]
            .as_str()
            .unwrap()
            .contains("U+200B")
    );
    let results = std::fs::read_to_string(ground.city.path("names.results.csv")).unwrap();
    let number = results
        .lines()
        .nth(1)
        .unwrap()
        .split(',')
        .nth(3)
        .unwrap()
        .to_owned();
    let shown = ground
        .node
        .cli(&["case", "show", &number, "--texts", "--as", "admin"]);
    assert!(shown.out.contains("𠮷𣎴𪚥"), "{shown:?}");
    // The number as it is typed from a slip of paper.
    let spoken = number.replace('-', "").to_uppercase();
    assert_eq!(
        ground
            .node
            .cli(&["case", "show", &spoken, "--as", "admin"])
            .code,
        0
    );
    let wrong = number.replacen("3714", "3741", 1);
    let said = ground.node.cli(&["case", "show", &wrong, "--as", "admin"]);
    assert_eq!((said.code, said.error_code().as_str()), (1, "NUMBER_CHECK"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_mapping_that_cannot_be_meant_is_refused_and_one_in_another_encoding_is_read() {
    let ground = Ground::new().await;
    let plain = table(&[good("P-1")]);
    let code = |mapping: &str| {
        let said = ground.import_by(mapping, "in.csv", &plain, &["--dry-run"]);
        (said.code, said.error_code())
    };
    let refused = |name: &str| (1, name.to_owned());
    assert_eq!(
        code(&MAPPING.replace("\"电话\" = \"phone\"", "“电话” = “phone”")),
        refused("MAPPING_NOT_READABLE")
    );
    assert_eq!(
        code(&MAPPING.replace("%Y-%m-%d %H:%M", "yyyy-MM-dd HH:mm")),
        refused("MAPPING_FORMAT_UNUSABLE")
    );
    assert_eq!(
        code(&MAPPING.replace("offset = \"+08:00\"\n", "")),
        refused("MAPPING_FORMAT_UNUSABLE")
    );
    assert_eq!(
        code(&MAPPING.replace("[fields.phone]", "[fields.fone]")),
        refused("MAPPING_FIELD_UNKNOWN")
    );
    assert_eq!(
        code(&MAPPING.replace("[fields.phone]", "[fields.\"电话\"]")),
        (0, String::new())
    );
    assert_eq!(code(&MAPPING.replace('\n', "\r\n")), (0, String::new()));
    assert_eq!(code(&format!("\u{feff}{MAPPING}")), (0, String::new()));
    // One letter amiss in the class that a word stands for: the row is refused ahead, with what may be meant.
    let typo = MAPPING.replace("urban-roads", "urban-road");
    let said = ground.import_by(&typo, "in.csv", &plain, &["--dry-run"]);
    assert_eq!(
        (said.code, said.json()["refused"][0]["code"].clone()),
        (1, json!("CLASS_UNKNOWN"))
    );
    let words = said.json()["refused"][0]["english"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        words.contains("did you mean") && words.contains("urban-roads"),
        "{words}"
    );
    // A class by its own name needs no word.
    let named = plain.replace("道路", "道路、桥梁与井盖");
    assert_eq!(ground.import("named.csv", named, &["--dry-run"]).code, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_import_cut_short_says_how_far_it_came_and_the_same_command_goes_on() {
    let mut ground = Ground::new().await;
    let rows: Vec<String> = (0..500).map(|row| good(&format!("K-{row}"))).collect();
    let file = ground.file("long.csv", table(&rows));
    let mapping = ground.file("mapping.toml", MAPPING);
    // The first two hundred stand, as when the node ended in the middle of the file.
    let first = ground.import(
        "first.csv",
        table(&rows[..200]),
        &[
            "--results",
            ground.city.path("long.results.csv").to_str().unwrap(),
        ],
    );
    assert_eq!(first.code, 0, "{first:?}");
    ground.node.kill();
    let words = [
        "import",
        file.to_str().unwrap(),
        "--mapping",
        mapping.to_str().unwrap(),
        "--as",
        "admin",
    ];
    let gone = ground.node.cli(&words);
    assert_eq!(gone.code, 75, "{gone:?}");
    ground.node.start().await;
    let said = ground.node.cli(&words);
    assert_eq!(
        (said.code, counted(&said), ground.cases().await),
        (0, [500, 300, 200, 0], 500),
        "{said:?}"
    );
    let results = std::fs::read_to_string(ground.city.path("long.results.csv")).unwrap();
    let codes = results
        .lines()
        .skip(1)
        .filter(|line| line.split(',').nth(4).unwrap().len() == 16);
    assert_eq!((results.lines().count(), codes.count()), (501, 500));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_table_of_places_is_judged_whole_and_then_written_as_one() {
    let ground = Ground::new().await;
    let mut rows = "code,parent,tier,name\n".to_owned();
    for row in 0..600 {
        rows.push_str(&format!("37{:04},3714,county,县{row}\n", 2_000 + row));
    }
    let bad = format!("{rows}379999,3714,city,错层级\n");
    for words in [&["--dry-run"][..], &[]] {
        let said = ground.places("many.csv", &bad, words);
        assert_eq!(
            (said.code, refused(&said)),
            (1, one(602, 3, "OUT_OF_RANGE")),
            "{words:?} {said:?}"
        );
        let told = said.json()["refused"][0]["chinese"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(told.ends_with("层级应低于本级：县、片区、乡、村"), "{told}");
        assert_eq!(ground.names(), ["德州市 3714"], "{words:?}");
    }
    let said = ground.places("many.csv", &bad, &["--partial"]);
    assert_eq!(
        (counted(&said), ground.names().len()),
        ([601, 600, 0, 1], 601)
    );
    let again = ground.places("many.csv", &rows, &[]);
    assert_eq!((again.code, counted(&again)), (0, [600, 0, 600, 0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_one_import_reads_the_other_reads_and_a_parent_that_fits_nothing_is_refused() {
    let ground = Ground::new().await;
    let plain = "code,parent,tier,name\n371402,3714,county,德城区\n";
    let utf16: Vec<u8> = plain.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (name, bytes) in [
        ("tab.txt", plain.replace(',', "\t").into_bytes()),
        ("semicolon.csv", plain.replace(',', ";").into_bytes()),
        ("utf16.csv", utf16),
        ("columns.csv", plain.replace('\n', ",\n").into_bytes()),
        ("rows.csv", format!("{plain},,,\n,,,\n").into_bytes()),
        ("tier.csv", plain.replace("county", "县").into_bytes()),
        (
            "header.csv",
            plain
                .replace("code,parent,tier,name", "代码,上级,层级,名称")
                .into_bytes(),
        ),
        (
            "parent.csv",
            plain.replace("371402,3714", "371402,德州市").into_bytes(),
        ),
        (
            "wide.csv",
            plain
                .replace("371402,3714", "３７１４０２,３７１４")
                .into_bytes(),
        ),
        (
            "equals.csv",
            plain
                .replace("371402,3714", "\"=\"\"371402\"\"\",\"\t3714\"")
                .into_bytes(),
        ),
    ] {
        let said = ground.places(name, bytes, &["--dry-run"]);
        assert_eq!(
            (said.code, counted(&said)),
            (0, [1, 1, 0, 0]),
            "{name} {said:?}"
        );
    }
    for (code, parent, column, expected) in [
        ("3.71402E+11", "3714", 1, "SCIENTIFIC_NOTATION"),
        ("371402", "3.714E+03", 2, "SCIENTIFIC_NOTATION"),
        ("371402", "3714.0", 2, "PARENT_UNKNOWN"),
        ("371402", "\"3,714\"", 2, "PARENT_UNKNOWN"),
        ("371402", "3715", 2, "PARENT_UNKNOWN"),
        ("371402", "", 2, "PARENT_UNKNOWN"),
        ("37140", "3714", 1, "CODE_INVALID"),
    ] {
        let rows = format!("code,parent,tier,name\n{code},{parent},county,德城区\n");
        let said = ground.places("bad.csv", rows, &[]);
        assert_eq!(
            (said.code, refused(&said)),
            (1, one(2, column, expected)),
            "{code} {parent}"
        );
    }
    let near = ground.places(
        "near.csv",
        "code,parent,tier,name\n371402,德州,county,德城区\n",
        &[],
    );
    let words = near.json()["refused"][0]["chinese"].clone();
    assert!(
        words.as_str().unwrap().contains("是不是 德州市？"),
        "{words}"
    );
    assert_eq!(ground.names(), ["德州市 3714"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_table_to_mend_takes_the_place_of_an_older_one_and_of_nothing_else() {
    let ground = Ground::new().await;
    let rows = table(&[good("S-1"), good("S-2").replace("道路", "没有此类")]);
    let import = |rejects: &str| {
        let rejects = ground.city.path(rejects);
        let words = ["--partial", "--rejects", rejects.to_str().unwrap()];
        ground.import("in.csv", &rows, &words)
    };
    for standing in ["in.csv", "mapping.toml", "notes.txt"] {
        ground.file("notes.txt", "会议记录\n");
        let said = import(standing);
        assert_eq!(
            (said.code, said.error_code().as_str()),
            (64, "USAGE"),
            "{standing} {said:?}"
        );
        assert!(ground.city.path(standing).metadata().unwrap().len() > 0);
    }
    assert_eq!(
        std::fs::read(ground.city.path("in.csv")).unwrap(),
        rows.as_bytes()
    );
    assert_eq!(ground.cases().await, 0);
    for expected in [[2, 1, 0, 1], [2, 0, 1, 1]] {
        assert_eq!(counted(&import("mend.csv")), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_may_not_register_learns_nothing_of_rows_that_others_brought() {
    let ground = Ground::new().await;
    let rows = table(&[good("W-1")]);
    assert_eq!(ground.import("in.csv", &rows, &[]).code, 0);
    let set = [
        "account", "set", "reader", "--role", "leader", "--as", "admin",
    ];
    let set = ground.node.cli(&set);
    assert_eq!(set.code, 0, "{set:?}");
    let (file, mapping) = (ground.city.path("in.csv"), ground.city.path("mapping.toml"));
    let said = ground.node.cli(&[
        "import",
        file.to_str().unwrap(),
        "--mapping",
        mapping.to_str().unwrap(),
        "--as",
        "reader",
    ]);
    assert_eq!(
        (said.code, said.error_code().as_str()),
        (1, "ROLE_MISSING"),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_yearly_table_changes_what_changed_and_nothing_else() {
    let ground = Ground::new().await;
    let rows = |lines: &[&str]| format!("code,parent,tier,name\n{}\n", lines.join("\n"));
    let first = rows(&[
        "371402,3714,county,德城区",
        "371421,3714,county,陵县",
        "371422,3714,county,宁津县",
        "371423,3714,county,庆云县",
    ]);
    assert_eq!(ground.places("2022.csv", first, &[]).code, 0);
    let end = [
        "place",
        "end",
        "371423",
        "--successor",
        "371422",
        "--as",
        "admin",
    ];
    assert_eq!(ground.node.cli(&end).code, 0);
    // 陵县 has another code, 宁津县 another name, 庆云县 has ended, 天衢新区 is new.
    let second = rows(&[
        "371402,3714,county,德城区",
        "371403,3714,county,陵县",
        "371422,3714,county,宁津新县",
        "371423,3714,county,庆云县",
        "371471,3714,county,天衢新区",
    ]);
    let said = ground.places("2023.csv", &second, &["--dry-run"]);
    assert_eq!((said.code, counted(&said)), (0, [5, 1, 1, 0]), "{said:?}");
    let said = ground.places("2023.csv", &second, &[]);
    let told = said.json();
    assert_eq!(
        told["changed"],
        json!([
            { "before": "陵县 371421", "after": "陵县 371403" },
            { "before": "宁津县 371422", "after": "宁津新县 371422" },
        ]),
        "{said:?}"
    );
    assert_eq!(told["passed_over"][0]["row"], "庆云县 371423");
    let words = told["passed_over"][0]["chinese"].as_str().unwrap();
    assert!(words.contains("宁津"), "{words}");
    let expected = [
        "天衢新区 371471",
        "宁津新县 371422",
        "庆云县 371423",
        "德城区 371402",
        "德州市 3714",
        "陵县 371403",
    ];
    assert_eq!(ground.names(), expected);
    let again = ground.places("2023.csv", &second, &[]).json();
    assert_eq!(
        (&again["new"], &again["changed"], &again["known"]),
        (&json!(0), &json!([]), &json!(4))
    );
    let level = ground.places("level.csv", rows(&["371402,3714,township,德城区"]), &[]);
    assert_eq!(
        (level.code, refused(&level)),
        (1, one(2, 3, "LEVEL_DIFFERS"))
    );
    assert!(
        level.json()["refused"][0]["chinese"]
            .as_str()
            .unwrap()
            .contains("德城区 371402")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn twins_are_refused_and_a_name_that_several_bear_is_told_with_the_choices() {
    let ground = Ground::new().await;
    let rows = "code,parent,tier,name\n371402,3714,county,德城区\n371403,3714,county,德城区\n371404,3714,county,德\u{200b}城区\n371405,3714,county,德 城区\n371406,3714,county,德城区 \n";
    let said = ground.places("twins.csv", rows, &[]);
    let mut found = refused(&said);
    found.sort();
    let expected = [
        (3, 4, "NAME_TAKEN".to_owned()),
        (4, 4, "INVISIBLE_CHARACTER".to_owned()),
        (5, 4, "NAME_TAKEN".to_owned()),
        (6, 4, "NAME_TAKEN".to_owned()),
    ];
    assert_eq!((said.code, found), (1, expected.to_vec()), "{said:?}");
    let admin = |words: &[&str]| ground.node.cli(&[words, &["--as", "admin"]].concat());
    assert_eq!(admin(&["unit", "add", "城管局"]).code, 0);
    let same = admin(&["unit", "add", " 城管局\u{3000}"]);
    assert_eq!(
        same.json()["unit"],
        admin(&["unit", "add", "城管局"]).json()["unit"]
    );
    assert_eq!(
        admin(&["unit", "add", "城 管局"]).error_code(),
        "NAME_TAKEN"
    );
    assert_eq!(
        admin(&["unit", "add", "城管局\u{200b}"]).error_code(),
        "INVISIBLE_CHARACTER"
    );
    let near = admin(&["invite", "--unit", "城管"]);
    assert_eq!((near.code, near.error_code().as_str()), (1, "UNIT_UNKNOWN"));
    assert!(near.err.contains("城管局"), "{near:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn rows_are_told_in_the_language_of_the_person() {
    let ground = Ground::new().await;
    let file = ground.file(
        "in.csv",
        table(&[good("L-1").replace("2023-02-15 08:40", "2023/2/15")]),
    );
    let mapping = ground.file("mapping.toml", MAPPING);
    let data = ground.node.folder();
    let said = |lang: &str| {
        let words = [
            "--data",
            data.to_str().unwrap(),
            "import",
            file.to_str().unwrap(),
            "--mapping",
            mapping.to_str().unwrap(),
            "--as",
            "admin",
            "--lang",
            lang,
        ];
        fengqiao_tests::kit::process::say(&words).unwrap()
    };
    let chinese = said("zh");
    assert!(
        chinese.out.contains(
            "第2行第4列“来件时间”（时间）：不是映射文件所写的时间格式，应如 2023-02-16 08:40"
        ),
        "{chinese:?}"
    );
    let english = said("en");
    assert!(english.out.contains("line 2, column 4 \"来件时间\" (time): not a time in the form that the mapping names; write it as 2023-02-16 08:40"), "{english:?}");
    assert!(!english.out.contains('。') && english.code == 1 && chinese.code == 1);
}
