//! Facts about tables as people bring them.

#![allow(clippy::unwrap_used, reason = "tests")]

mod mapping;
mod workbooks;

use encoding_rs::GB18030;
use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    bytes_max: 8 << 20,
    rows_max: 10_000,
    cell_bytes_max: 4_096,
};
const DIVISIONS: &[u8] = include_bytes!("../../../deploy/dezhou/divisions.csv");
const CHINESE: &str = "编号,内容\r\n1,\"铁轨横在路上，冬天结冰\r\n夏天积水\"\r\n2,路灯不亮\r\n";
const HOTLINE: &str = "编号,渠道,类别,来件时间,内容,姓名,电话\n\
    A-1,电话,道路,2023-02-16 08:40,路面积水,张三,13800000000\n";

/// Reads bytes in which columns of these names are looked for.
fn read_for(bytes: &[u8], names: &[&str]) -> Result<Table, TabularError> {
    let columns: Vec<Vec<String>> = names.iter().map(|name| vec![(*name).to_owned()]).collect();
    let wanted = Wanted {
        columns: &columns,
        sheet: None,
    };
    read_table(bytes.to_vec(), LIMITS, &wanted)
}

fn read(text: &str) -> Result<Table, TabularError> {
    read_for(text.as_bytes(), &[])
}

/// The texts of a row's cells with its line, or the codes, columns and lines of what is wrong with it.
type Seen = Result<(u64, Vec<String>), Vec<(u64, usize, String)>>;

fn seen(table: &Table) -> Vec<Seen> {
    let rows = table.rows().map(|row| match row {
        Ok(row) => Ok((
            row.line,
            row.cells.into_iter().map(|cell| cell.text).collect(),
        )),
        Err(bad) => Err(bad
            .errors
            .into_iter()
            .map(|error| {
                let column = error.column.map_or(0, |column| column.number);
                (error.line, column, error.code)
            })
            .collect()),
    });
    rows.collect()
}

fn row(line: u64, cells: &[&str]) -> Seen {
    Ok((line, cells.iter().map(|cell| (*cell).to_owned()).collect()))
}

fn bad(line: u64, column: usize, code: &str) -> Seen {
    Err(vec![(line, column, code.to_owned())])
}

fn passed_over(table: &Table) -> PassedOver {
    let mut rows = table.rows();
    for _ in rows.by_ref() {}
    rows.passed_over
}

fn encoding(table: &Table) -> Encoding {
    match table.source {
        Source::Text { encoding, .. } => encoding,
        Source::Sheet { .. } => panic!("a workbook"),
    }
}

fn utf16(text: &str, little: bool, mark: bool) -> Vec<u8> {
    let marked = if mark { "\u{feff}" } else { "" };
    let units = format!("{marked}{text}");
    let pair = |unit: u16| {
        if little {
            unit.to_le_bytes()
        } else {
            unit.to_be_bytes()
        }
    };
    units.encode_utf16().flat_map(pair).collect()
}

#[test]
fn one_chinese_table_reads_the_same_in_every_encoding() {
    let plain = seen(&read(CHINESE).unwrap());
    assert_eq!(
        plain,
        [
            row(2, &["1", "铁轨横在路上，冬天结冰\n夏天积水"]),
            row(4, &["2", "路灯不亮"])
        ]
    );
    let (national, _, _) = GB18030.encode(CHINESE);
    for (bytes, expected) in [
        (CHINESE.as_bytes().to_vec(), Encoding::Utf8),
        (format!("\u{feff}{CHINESE}").into_bytes(), Encoding::Utf8Bom),
        (
            format!("\u{feff}\u{feff}{CHINESE}").into_bytes(),
            Encoding::Utf8Bom,
        ),
        (national.into_owned(), Encoding::Gb18030),
        (utf16(CHINESE, true, true), Encoding::Utf16Le),
        (utf16(CHINESE, true, false), Encoding::Utf16Le),
        (utf16(CHINESE, false, true), Encoding::Utf16Be),
        (utf16(CHINESE, false, false), Encoding::Utf16Be),
    ] {
        let table = read_for(&bytes, &[]).unwrap();
        assert_eq!(encoding(&table), expected);
        assert_eq!(table.headers, ["编号", "内容"]);
        assert_eq!(seen(&table), plain, "{expected:?}");
    }
}

#[test]
fn rows_know_the_line_they_begin_in() {
    let lines = |text: &str| -> Vec<u64> {
        let table = read(text).unwrap();
        table.rows().map(|row| row.unwrap().line).collect()
    };
    assert_eq!(lines(CHINESE), [2, 4]);
    assert_eq!(lines("a,b\n\n\n1,2\n,\n\"x\n\ny\",3\n4,5"), [4, 6, 9]);
    assert_eq!(lines("\r\na,b\r\n1,2\r\n\r\n3,4\r\n"), [3, 5]);
    assert_eq!(lines("a,b\r1,2\r3,4"), [2, 3]);
}

#[test]
fn bytes_of_no_encoding_are_refused_with_their_place() {
    let unknown = |bytes: &[u8]| {
        let error = read_for(bytes, &[]).unwrap_err();
        let TabularError::EncodingUnknown { line, byte, likely } = error else {
            panic!("{error:?}");
        };
        (line, byte, likely)
    };
    assert_eq!(unknown(b"a,b\n1,\xff\xff\n"), (2, 6, "UTF-8 / GB18030"));
    assert_eq!(unknown(b"\xef\xbb\xbfa\n\xb0\xa1\n"), (2, 5, "UTF-8"));
    // Half a pair of surrogates, and half a unit.
    assert_eq!(unknown(b"\xff\xfea\0\n\0\x3d\xd8b\0"), (2, 6, "UTF-16"));
    assert_eq!(unknown(b"\xff\xfea\0\n\0b"), (2, 6, "UTF-16"));
}

#[test]
fn a_damaged_utf_8_file_is_refused_instead_of_read_as_gibberish() {
    let mut torn = CHINESE.as_bytes().to_vec();
    let at = CHINESE.find('路').unwrap() + 2;
    torn.remove(at);
    let whole = GB18030.decode_without_bom_handling_and_without_replacement(&torn);
    assert!(whole.is_some(), "GB18030 would take it");
    let cut = &CHINESE.as_bytes()[..CHINESE.len() - 4];
    let mut pasted = CHINESE.as_bytes().to_vec();
    pasted.extend(GB18030.encode("3,路灯不亮\r\n").0.iter());
    for damaged in [&torn[..], cut, &pasted] {
        let refused = read_for(damaged, &[]).unwrap_err();
        let is_utf8 = matches!(
            refused,
            TabularError::EncodingUnknown {
                likely: "UTF-8",
                ..
            }
        );
        assert!(is_utf8, "{refused:?}");
    }
}

#[test]
fn a_file_put_together_of_two_encodings_is_refused_where_the_other_begins() {
    let mut bytes = GB18030.encode(CHINESE).0.into_owned();
    for _ in 0..20 {
        bytes.extend(GB18030.encode("2,路面积水，无人清理\r\n").0.iter());
    }
    let line = 1 + bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    bytes.extend("9,小区北门外路灯不亮\r\n".as_bytes());
    let refused = read_for(&bytes, &[]).unwrap_err();
    let TabularError::EncodingUnknown {
        line: found,
        likely,
        ..
    } = refused
    else {
        panic!("{refused:?}")
    };
    assert_eq!((found, likely), (line, "GB18030"));
}

#[test]
fn the_delimiter_is_the_one_that_divides_the_header() {
    for (text, delimiter) in [
        ("a;b;c\n1;2;3", ';'),
        ("a\tb\n1\t2", '\t'),
        ("\"a;;;\",b\n1,2", ','),
        ("a\n1", ','),
    ] {
        let Source::Text {
            delimiter: found, ..
        } = read(text).unwrap().source
        else {
            panic!()
        };
        assert_eq!(found, delimiter, "{text:?}");
    }
    // Names that are looked for tell more than a title full of commas.
    let title = "甲,乙,丙,丁,戊,己\n编号;内容\n1;a,b,c,d,e\n";
    let table = read_for(title.as_bytes(), &["编号", "内容"]).unwrap();
    assert_eq!(seen(&table), [row(3, &["1", "a,b,c,d,e"])]);
}

#[test]
fn titles_a_separator_line_empty_and_short_rows_are_passed_over_and_said() {
    let names = ["编号", "渠道", "类别", "来件时间", "内容", "姓名", "电话"];
    let titled = format!(
        "某市热线工单汇总表,,,,,,\n单位：某中心,,,日期：2023年3月,,,\n\n{HOTLINE},,,,,,\n,,,,,,\n"
    );
    let table = read_for(titled.as_bytes(), &names).unwrap();
    assert_eq!((table.header_line, seen(&table).len()), (4, 1));
    let passed = passed_over(&table);
    assert_eq!((passed.titles, passed.empty_rows), (vec![1, 2], 3));
    let separated = format!("sep=,\r\n{HOTLINE}");
    let table = read_for(separated.as_bytes(), &names).unwrap();
    assert_eq!(
        (table.header_line, passed_over(&table).titles),
        (2, vec![1])
    );
    let semicolons = format!("sep=;\n{}", HOTLINE.replace(',', ";"));
    assert_eq!(
        seen(&read_for(semicolons.as_bytes(), &names).unwrap())[0]
            .as_ref()
            .unwrap()
            .1
            .len(),
        7
    );
    let short = format!("{HOTLINE}A-2,电话,道路,2023-02-16 08:40,路灯不亮\n{HOTLINE}");
    let table = read_for(short.as_bytes(), &names).unwrap();
    let rows = seen(&table);
    assert_eq!(rows[1].as_ref().unwrap().1[5..], ["", ""]);
    let passed = passed_over(&table);
    assert_eq!(
        (passed.short_rows, passed.headers_again, rows.len()),
        (1, 1, 3)
    );
    assert_eq!(passed.words().len(), 2);
    for words in passed.words() {
        assert!(words.english.is_ascii() && !words.chinese.is_ascii());
    }
}

#[test]
fn columns_that_a_program_left_empty_do_not_refuse_the_file() {
    let table = read("a,b,,\n1,2,,,,\n,,,,\n3,4\n").unwrap();
    assert_eq!(table.headers, ["a", "b"]);
    assert_eq!(seen(&table), [row(2, &["1", "2"]), row(4, &["3", "4"])]);
    // A number in front without a name, as data frames are written.
    let table = read(",a,b\n0,1,2\n").unwrap();
    assert_eq!(
        (table.names(), table.column("b")),
        (vec!["a", "b"], Some(2))
    );
    assert_eq!(passed_over(&table).nameless_columns, [1]);
    // Something in a column without a name is a row that has shifted.
    assert_eq!(
        seen(&read("a,b,,\n1,x,y\n2,z\n").unwrap()),
        [bad(2, 0, "ROW_RAGGED"), row(3, &["2", "z"])]
    );
}

#[test]
fn a_row_of_more_cells_than_columns_is_refused_and_the_others_are_read() {
    let table = read("a,b\n1,2\n3,4,5\n6,7\n").unwrap();
    assert_eq!(
        seen(&table),
        [
            row(2, &["1", "2"]),
            bad(3, 0, "ROW_RAGGED"),
            row(4, &["6", "7"])
        ]
    );
}

#[test]
fn a_quotation_mark_that_stands_wrong_is_refused_by_line_and_column_and_never_mended() {
    let names = ["编号", "渠道", "类别", "来件时间", "内容", "姓名", "电话"];
    let good = "A-9,电话,道路,2023-02-16 08:40,路灯不亮,李四,13900000000";
    for (text, expected) in [
        ("\"他说\"不行\"\"", "QUOTE_STRAY"),
        ("路宽6\"的管", "QUOTE_STRAY"),
        ("他说\"\"不行\"\"", "QUOTE_STRAY"),
        ("\"不行\" ", "QUOTE_STRAY"),
        ("不行\"", "QUOTE_STRAY"),
    ] {
        let text =
            format!("{HOTLINE}A-2,电话,道路,2023-02-16 08:40,{text},张三,13800000000\n{good}\n");
        let table = read_for(text.as_bytes(), &names).unwrap();
        let rows = seen(&table);
        assert_eq!(rows[1], bad(3, 5, expected), "{text}");
        assert_eq!(rows[2].as_ref().unwrap().1[5], "李四", "{text}");
    }
    let open =
        format!("{HOTLINE}A-2,电话,道路,2023-02-16 08:40,\"没有合上,张三,13800000000\n{good}\n");
    let table = read_for(open.as_bytes(), &names).unwrap();
    assert_eq!(seen(&table)[1..], [bad(3, 5, "QUOTE_UNCLOSED")]);
    let curly = HOTLINE.replace("路面积水", "“路灯，坏了”");
    assert_eq!(
        seen(&read_for(curly.as_bytes(), &names).unwrap())[0]
            .as_ref()
            .unwrap()
            .1[4],
        "“路灯，坏了”"
    );
}

#[test]
fn the_words_of_a_lost_mark_say_which_lines_were_not_read() {
    let table = read("k,t,n\n1,\"lost,x\n2,\"good\",y\n3,z,z\n").unwrap();
    let bad = table.rows().next().unwrap().unwrap_err();
    let words = bad.errors[0].words();
    assert!(
        words.chinese.contains("第2行第2列“t”") && words.chinese.contains("第2至3行均未读取"),
        "{words:?}"
    );
    assert!(
        words.english.contains("lines 2 to 3 were not read"),
        "{words:?}"
    );
}

#[test]
fn names_of_columns_are_compared_as_one_sees_them() {
    for header in [
        "编号\u{200b}",
        " 编号\u{a0}",
        "\u{2060}编号",
        "\u{feff}编号\u{3000}",
        "\"编号\"",
    ] {
        let table = read_for(format!("{header},内容\n1,x\n").as_bytes(), &["编号"]).unwrap();
        assert_eq!(table.column("编号"), Some(0), "{header:?}");
    }
    let composed = read_for("cafe\u{301},b\n1,2\n".as_bytes(), &["café"]).unwrap();
    assert_eq!(composed.column("café"), Some(0));
    let starred = read_for("*编号,内容\n1,x\n".as_bytes(), &["编号"]).unwrap();
    assert_eq!(
        (starred.column("编号"), starred.names()),
        (None, vec!["*编号", "内容"])
    );
    let twice = read_for("编号,内容,编号\n1,x,2\n".as_bytes(), &["编号"]);
    assert!(matches!(
        twice,
        Err(TabularError::HeaderRepeated { number: 3, .. })
    ));
    assert!(
        read_for("编号,备注,备注\n1,x,2\n".as_bytes(), &["编号"]).is_ok(),
        "nobody asks for it"
    );
}

#[test]
fn what_no_cell_may_hold_is_refused_by_line_and_column() {
    let table = read("a,b\n1,2\n3,x\u{7}y\n4,x\u{fffd}\n5,锟斤拷\n6,\"x\ty\nz\"\n").unwrap();
    assert_eq!(
        seen(&table),
        [
            row(2, &["1", "2"]),
            bad(3, 2, "CONTROL_CHARACTER"),
            bad(4, 2, "CHARACTER_LOST"),
            bad(5, 2, "CHARACTER_LOST"),
            row(6, &["6", "x\ty\nz"]),
        ]
    );
}

#[test]
fn a_file_that_is_no_table_is_refused() {
    assert_eq!(read(""), Err(TabularError::FileEmpty));
    assert_eq!(read(" \r\n\n"), Err(TabularError::FileEmpty));
    assert_eq!(read("PK\u{3}\u{4}"), Err(TabularError::WorkbookDamaged));
    assert_eq!(
        read_for(b"\xd0\xcf\x11\xe0\xa1\xb1", &[]),
        Err(TabularError::FileIsWorkbook)
    );
    let quoting = read("\"a\"x,b\n1,2\n");
    assert_eq!(
        quoting,
        Err(TabularError::HeaderQuoting { line: 1, column: 1 })
    );
}

#[test]
fn every_limit_holds_at_its_last_value_and_refuses_the_next() {
    let tight = Limits {
        bytes_max: 12,
        rows_max: 2,
        cell_bytes_max: 3,
    };
    let wanted = Wanted {
        columns: &[],
        sheet: None,
    };
    let read = |text: &str| read_table(text.as_bytes().to_vec(), tight, &wanted);
    assert_eq!(seen(&read("a\n123\n456\n\n\n").unwrap()).len(), 2);
    let large = read("a\n123\n456\n\n\n\n");
    assert_eq!(large, Err(TabularError::FileTooLarge { bytes_max: 12 }));
    let many = seen(&read("a\n1\n2\n3\n4\n5").unwrap());
    assert_eq!((many.len(), &many[2]), (3, &bad(4, 0, "ROWS_TOO_MANY")));
    assert_eq!(
        seen(&read("a\n1\n1234").unwrap())[1],
        bad(3, 1, "CELL_TOO_LONG")
    );
    let name = "n".repeat(HEADER_BYTES_MAX + 1);
    let too_long = TabularError::HeaderTooLong {
        number: 1,
        bytes_max: HEADER_BYTES_MAX,
    };
    assert_eq!(super::tests::read(&name), Err(too_long));
    let names: Vec<_> = (0..=COLUMNS_MAX).map(|number| number.to_string()).collect();
    let too_many = TabularError::ColumnsTooMany {
        columns_max: COLUMNS_MAX,
    };
    assert_eq!(super::tests::read(&names.join(",")), Err(too_many));
}

#[test]
fn all_of_dezhou_is_one_table() {
    let table = read_for(DIVISIONS, &["code", "name"]).unwrap();
    let rows: Vec<_> = table.rows().map(Result::unwrap).collect();
    assert_eq!((rows.len(), table.headers.len()), (5_455, 4));
    assert_eq!(rows[5_454].line, 5_456);
}

#[test]
fn no_error_and_no_debug_shows_what_a_cell_holds() {
    let secret = "13800001111";
    let table = read(&format!("tel,n\n{secret},{secret}x\n{secret},1\n{secret},\"{secret}\"{secret}\n{secret},2,{secret}\n")).unwrap();
    let mapping =
        Mapping::parse("key = 'tel'\n[fields.n]\ncolumn = 'n'\n[fields.tel]\ncolumn = 'tel'")
            .unwrap();
    let fields = [
        FieldSpec {
            name: "n",
            chinese: "",
            kind: FieldKind::Integer,
            need: Need::Required,
        },
        FieldSpec {
            name: "tel",
            chinese: "",
            kind: FieldKind::Code,
            need: Need::Required,
        },
    ];
    let schema = Schema {
        fields: &fields,
        in_order: &[],
    };
    let mapper = Mapper::over(&table, &mapping, schema).unwrap();
    let shown = format!("{table:?} {mapper:?} {:?}", table.rows());
    let rows: Vec<_> = mapper.collect();
    let shown = format!("{shown} {rows:?} {:?}", table.rows().collect::<Vec<_>>());
    let words = rows.iter().filter_map(|row| row.as_ref().err());
    let words: String = words
        .flat_map(|row| &row.errors)
        .map(|error| format!("{:?}", error.words()))
        .collect();
    assert!(
        !shown.contains(secret) && !words.contains(secret),
        "{shown} {words}"
    );
    assert!(words.contains("QUOTE") || words.contains("引号"), "{words}");
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(table) = read_for(&bytes, &["a"]) {
            let _ = seen(&table);
        }
    }

    #[test]
    fn no_table_makes_the_mapping_panic(text in "[a-c,;\"\t\r\n0-9 :/T+Z-]{0,120}", settings in "[a-z= '%YmdHz:+0-9\n]{0,40}") {
        if let Ok(table) = read(&text) {
            let fields = [FieldSpec { name: "v", chinese: "", kind: FieldKind::Moment, need: Need::Optional }];
            let column = table.names().first().map_or(String::new(), |name| name.replace('\'', ""));
            let chosen = Mapping::parse(&format!("[fields.v]\ncolumn = '{column}'\n{settings}"));
            let plain = Mapping::parse(&format!("[fields.v]\ncolumn = '{column}'\noffset = '+08:00'"));
            for mapping in [chosen, plain].into_iter().flatten() {
                let _ = map_rows(&table, &mapping, Schema { fields: &fields, in_order: &[] });
            }
        }
    }

    #[test]
    fn chinese_text_in_gb18030_is_read_as_it_was_written(cell in "[\u{4e00}-\u{9fa5}，。]{5,60}") {
        let text = format!("编号,内容\n1,{cell}\n");
        let (bytes, _, _) = GB18030.encode(&text);
        let table = read_for(&bytes, &[]).unwrap();
        prop_assert_eq!(encoding(&table), Encoding::Gb18030);
        prop_assert_eq!(seen(&table), [row(2, &["1", &cell])]);
    }

    #[test]
    fn what_a_csv_writer_wrote_is_read_back(
        rows in proptest::collection::vec(proptest::collection::vec("[a-z\",;\n路灯 ]{0,8}", 2), 0..8),
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["a", "b"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let table = read_for(&writer.into_inner().unwrap(), &["a", "b"]).unwrap();
        let trimmed = rows.iter().map(|row| row.iter().map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
        let expected: Vec<_> = trimmed
            .filter(|row| row.iter().any(|cell| !cell.is_empty()))
            .filter(|row| row != &["a", "b"])
            .collect();
        let found: Vec<_> = seen(&table).into_iter().map(|row| row.unwrap().1).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn each_row_is_good_or_has_an_error_and_never_both(cells in proptest::collection::vec("[0-9a]{0,2}", 0..30)) {
        let text = cells.iter().fold("v,k\n".to_owned(), |text, cell| format!("{text}{cell},x\n"));
        let fields = [FieldSpec { name: "v", chinese: "", kind: FieldKind::Integer, need: Need::Required }];
        let table = read(&text).unwrap();
        let mapping = Mapping::parse("[fields.v]\ncolumn = 'v'").unwrap();
        let schema = Schema { fields: &fields, in_order: &[] };
        let rows = Mapper::over(&table, &mapping, schema).unwrap();
        let found: Vec<u64> = rows.map(|row| match row {
            Ok(row) => row.line,
            Err(row) => {
                assert!(!row.errors.is_empty());
                row.line
            }
        }).collect();
        let expected: Vec<u64> = (2..).take(cells.len()).collect();
        prop_assert_eq!(found, expected);
    }
}
