//! Facts about tables as people bring them, and about the real sample of requests.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use encoding_rs::GB18030;
use fengqiao_hub::clock::Moment;
use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    bytes_max: 1 << 20,
    rows_max: 1_000,
    cell_bytes_max: 4_096,
};
const SAMPLE: &[u8] = include_bytes!("../../../deploy/boston/requests_sample.csv");
const DIVISIONS: &[u8] = include_bytes!("../../../deploy/dezhou/divisions.csv");
const CHINESE: &str = "编号,内容\r\n1,\"铁轨横在路上，冬天结冰\r\n夏天积水\"\r\n2,路灯不亮\r\n";

fn field<'a>(name: &'a str, kind: FieldKind<'a>, need: Need) -> FieldSpec<'a> {
    FieldSpec { name, kind, need }
}

fn read(text: &str) -> Result<Table, TabularError> {
    read_table(text.as_bytes(), LIMITS)
}

fn lines(table: &Table) -> Vec<u64> {
    table.rows.iter().map(|row| row.line).collect()
}

/// A table of one column `v` read into one field `v` of some kind.
fn one_value(cell: &str, kind: FieldKind<'_>, settings: &str) -> Result<Value, RowErrorCode> {
    let table = read(&format!("v\n\"{cell}\"\n")).unwrap();
    let mapping = Mapping::parse(&format!("[fields.v]\ncolumn = \"v\"\n{settings}")).unwrap();
    let fields = [field("v", kind, Need::Required)];
    let (mut rows, errors) = map_rows(
        &table,
        &mapping,
        &Schema {
            fields: &fields,
            in_order: &[],
        },
    )
    .unwrap();
    match errors.first() {
        Some(error) => Err(error.code),
        None => Ok(rows.remove(0).values.remove("v").unwrap()),
    }
}

fn mapped(
    text: &str,
    mapping: &str,
    fields: &[FieldSpec<'_>],
) -> (Vec<MappedRow>, Vec<(u64, String, &'static str)>) {
    let mapping = Mapping::parse(mapping).unwrap();
    let (rows, errors) = map_rows(
        &read(text).unwrap(),
        &mapping,
        &Schema {
            fields,
            in_order: &[],
        },
    )
    .unwrap();
    (
        rows,
        errors
            .into_iter()
            .map(|error| (error.line, error.field, error.code.as_str()))
            .collect(),
    )
}

#[test]
fn one_chinese_table_reads_the_same_in_three_encodings() {
    let plain = read(CHINESE).unwrap();
    let marked = read(&format!("\u{feff}{CHINESE}")).unwrap();
    let (bytes, _, _) = GB18030.encode(CHINESE);
    let national = read_table(&bytes, LIMITS).unwrap();
    let encodings = [plain.encoding, marked.encoding, national.encoding];
    assert_eq!(
        encodings,
        [Encoding::Utf8, Encoding::Utf8Bom, Encoding::Gb18030]
    );
    assert!(plain.rows == marked.rows && plain.rows == national.rows);
    assert_eq!(plain.headers, ["编号", "内容"]);
    assert_eq!(plain.rows[0].cells[1], "铁轨横在路上，冬天结冰\r\n夏天积水");
}

#[test]
fn rows_know_the_line_they_begin_in() {
    assert_eq!(lines(&read(CHINESE).unwrap()), [2, 4]);
    assert_eq!(
        lines(&read("a,b\n\n\n1,2\n,\n\"x\n\ny\",3\n4,5").unwrap()),
        [4, 6, 9]
    );
    assert_eq!(
        lines(&read("\r\na,b\r\n1,2\r\n\r\n3,4\r\n").unwrap()),
        [3, 5]
    );
}

#[test]
fn bytes_that_are_neither_encoding_are_refused_with_their_place() {
    let refused = read_table(b"a,b\n1,\xff\xff\n", LIMITS);
    assert_eq!(
        refused,
        Err(TabularError::EncodingUnknown { line: 2, byte: 6 })
    );
    assert_eq!(
        read_table(b"\xef\xbb\xbfa\n\xb0\xa1\n", LIMITS),
        Err(TabularError::EncodingUnknown { line: 2, byte: 5 })
    );
}

#[test]
fn a_torn_utf_8_file_is_refused_instead_of_read_as_gibberish() {
    let mut bytes = CHINESE.as_bytes().to_vec();
    let torn = CHINESE.find('路').unwrap() + 2;
    bytes.remove(torn);
    assert!(
        GB18030
            .decode_without_bom_handling_and_without_replacement(&bytes)
            .is_some(),
        "GB18030 would take it"
    );
    assert_eq!(
        read_table(&bytes, LIMITS),
        Err(TabularError::EncodingUnknown {
            line: 2,
            byte: torn - 2
        })
    );
}

#[test]
fn the_delimiter_is_what_the_header_has_most_of_outside_quotes() {
    for (text, delimiter) in [
        ("a;b;c\n1;2;3", ';'),
        ("a\tb\n1\t2", '\t'),
        ("\"a;;;\",b\n1,2", ','),
        ("a\n1", ','),
    ] {
        assert_eq!(read(text).unwrap().delimiter, delimiter, "{text:?}");
    }
}

#[test]
fn control_characters_are_refused_by_line_and_column_but_tabs_and_breaks_in_cells_are_text() {
    let column = "b".to_owned();
    assert_eq!(
        read("a,b\n1,2\n3,x\u{7}y"),
        Err(TabularError::ControlCharacter { line: 3, column })
    );
    assert_eq!(
        read("a,b\u{0}\n"),
        Err(TabularError::ControlCharacter {
            line: 1,
            column: "2".to_owned()
        })
    );
    let table = read("a,b\n1,\"x\ty\nz\"").unwrap();
    assert_eq!(table.rows[0].cells[1], "x\ty\nz");
}

#[test]
fn a_table_that_is_out_of_shape_is_refused() {
    assert_eq!(read(""), Err(TabularError::FileEmpty));
    assert_eq!(read(" \r\n\n"), Err(TabularError::FileEmpty));
    assert_eq!(read("PK\u{3}\u{4}"), Err(TabularError::FileIsWorkbook));
    assert_eq!(read("a,,b\n"), Err(TabularError::HeaderEmpty { number: 2 }));
    assert_eq!(
        read("a, a\n"),
        Err(TabularError::HeaderRepeated { number: 2 })
    );
    assert_eq!(
        read("a,b\n1,2\n1\n"),
        Err(TabularError::RowRagged {
            line: 3,
            expected: 2,
            found: 1
        })
    );
    assert_eq!(
        read("a,b\n1,2,3\n"),
        Err(TabularError::RowRagged {
            line: 2,
            expected: 2,
            found: 3
        })
    );
    assert_eq!(
        read("a,b\n1,2\n3,\"4\n5,6\n"),
        Err(TabularError::QuoteUnclosed { line: 3 })
    );
    assert_eq!(
        read("a,b\n1,\""),
        Err(TabularError::QuoteUnclosed { line: 2 })
    );
    assert_eq!(read("a,b\n1,\"\"").unwrap().rows.len(), 1);
}

#[test]
fn every_limit_holds_at_its_last_value_and_refuses_the_next() {
    let tight = Limits {
        bytes_max: 12,
        rows_max: 2,
        cell_bytes_max: 3,
    };
    let read = |text: &str| read_table(text.as_bytes(), tight).map(|table| table.rows.len());
    assert_eq!(read("a\n123\n456\n\n\n"), Ok(2));
    assert_eq!(
        read("a\n123\n456\n\n\n\n"),
        Err(TabularError::FileTooLarge {
            bytes: 13,
            bytes_max: 12
        })
    );
    assert_eq!(
        read("a\n1\n2\n3"),
        Err(TabularError::RowsTooMany { rows_max: 2 })
    );
    let column = "a".to_owned();
    assert_eq!(
        read("a\n1\n1234"),
        Err(TabularError::CellTooLong {
            line: 3,
            column,
            bytes: 4,
            bytes_max: 3
        })
    );
    let name = "n".repeat(HEADER_BYTES_MAX + 1);
    let too_long = TabularError::HeaderTooLong {
        number: 1,
        bytes: 129,
        bytes_max: HEADER_BYTES_MAX,
    };
    assert_eq!(super::read_table(name.as_bytes(), LIMITS), Err(too_long));
    let names: Vec<_> = (0..=COLUMNS_MAX).map(|number| number.to_string()).collect();
    let too_many = TabularError::ColumnsTooMany {
        columns: 257,
        columns_max: COLUMNS_MAX,
    };
    assert_eq!(
        super::read_table(names.join(",").as_bytes(), LIMITS),
        Err(too_many)
    );
}

#[test]
fn moments_are_read_in_the_form_the_mapping_names() {
    let moment = |cell: &str, settings: &str| one_value(cell, FieldKind::Moment, settings);
    let noon = Ok(Value::Moment(
        Moment::parse_rfc3339("2023-02-03T12:00:00+08:00").unwrap(),
    ));
    let midnight = Ok(Value::Moment(
        Moment::parse_rfc3339("2023-02-03T00:00:00+08:00").unwrap(),
    ));
    assert!(moment("2023-02-03T04:00:00Z", "") == noon);
    assert!(moment("2023-02-03 12:00", "offset = '+08:00'") == noon);
    assert!(
        moment("2023-02-03T12:00:00+08:00", "offset = '-04:00'") == noon,
        "an offset in the cell stands"
    );
    assert!(moment("2023-02-03", "offset = '+08:00'") == midnight);
    assert!(
        moment(
            "2023/2/3 12:00",
            "format = '%Y/%m/%d %H:%M'\noffset = '+08:00'"
        ) == noon
    );
    assert!(moment("2023年2月3日", "format = '%Y年%m月%d日'\noffset = '+08:00'") == midnight);
    assert!(moment("03.02.2023 12:00 +0800", "format = '%d.%m.%Y %H:%M %z'") == noon);
    assert_eq!(
        moment("2023-02-03 12:00", ""),
        Err(RowErrorCode::DateUnreadable),
        "no offset, no instant"
    );
    assert_eq!(
        moment("2023-02-03 25:00", "offset = '+08:00'"),
        Err(RowErrorCode::DateUnreadable)
    );
    assert_eq!(
        moment("2023-02-03T12:00:00-04", "offset = '+08:00'"),
        moment("2023-02-03T16:00:00Z", "")
    );
}

#[test]
fn a_day_that_no_calendar_has_is_said_to_be_one() {
    let code =
        |cell: &str, settings: &str| one_value(cell, FieldKind::Moment, settings).unwrap_err();
    let missing = RowErrorCode::DateDoesNotExist;
    assert_eq!(missing.as_str(), "DATE_DOES_NOT_EXIST");
    assert_eq!(code("2023-02-30T10:00:00+08:00", ""), missing);
    assert_eq!(code("2023-02-30", "offset = '+08:00'"), missing);
    assert_eq!(code("2023-13-01", "offset = '+08:00'"), missing);
    assert_eq!(
        code("30.02.2023", "format = '%d.%m.%Y'\noffset = '+08:00'"),
        missing
    );
    assert_eq!(
        code("2023/2/29", "format = '%Y/%m/%d'\noffset = '+08:00'"),
        missing
    );
    assert_eq!(code("yesterday", ""), RowErrorCode::DateUnreadable);
}

#[test]
fn values_are_checked_by_kind() {
    assert!(one_value(" 17 ", FieldKind::Integer, "") == Ok(Value::Integer(17)));
    assert_eq!(
        one_value("17.5", FieldKind::Integer, ""),
        Err(RowErrorCode::IntegerInvalid)
    );
    assert!(
        one_value("371403001205", FieldKind::Code, "")
            == Ok(Value::Code("371403001205".to_owned()))
    );
    assert_eq!(
        one_value("a b", FieldKind::Code, ""),
        Err(RowErrorCode::CodeInvalid)
    );
    assert_eq!(
        one_value("路灯不亮", FieldKind::Text { bytes_max: 11 }, ""),
        Err(RowErrorCode::TextTooLong)
    );
    assert!(one_value("路灯不亮", FieldKind::Text { bytes_max: 12 }, "").is_ok());
    let channels = FieldKind::Choice(&["phone", "web"]);
    let values = "values = { 'Constituent Call' = 'phone' }";
    assert!(
        one_value("Constituent Call", channels, values) == Ok(Value::Choice("phone".to_owned()))
    );
    assert_eq!(
        one_value("Twitter", channels, values),
        Err(RowErrorCode::ChoiceUnknown)
    );
    let ward = "strip_prefix = 'Ward '";
    assert!(one_value("Ward 17", FieldKind::Code, ward) == one_value("17", FieldKind::Code, ward));
}

#[test]
fn a_repeated_key_or_a_repeated_row_is_reported_with_its_first_line() {
    let fields = [field(
        "text",
        FieldKind::Text { bytes_max: 10 },
        Need::Required,
    )];
    let text = "id,t\n1,a\n2,b\n1,c\n,d\n";
    let (rows, errors) = mapped(text, "key = 'id'\n[fields.text]\ncolumn = 't'", &fields);
    assert_eq!(
        rows.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(),
        ["1", "2"]
    );
    let expected = [
        (4, "id".to_owned(), "ROW_DUPLICATE"),
        (5, "id".to_owned(), "KEY_MISSING"),
    ];
    assert_eq!(errors, expected);
    let (rows, errors) = mapped(
        "id,t\n1,ab\n1a,b\n1,ab\n",
        "[fields.text]\ncolumn = 't'",
        &fields,
    );
    assert_eq!(
        (rows.len(), errors),
        (2, vec![(4, "row".to_owned(), "ROW_DUPLICATE")])
    );
    assert!(
        rows[0].key.starts_with("sha256:") && rows[0].key.len() == 71,
        "{}",
        rows[0].key
    );
}

#[test]
fn every_error_of_a_row_is_reported_and_the_row_left_out() {
    let fields = [
        field("n", FieldKind::Integer, Need::Required),
        field("t", FieldKind::Text { bytes_max: 2 }, Need::Required),
        field("o", FieldKind::Code, Need::Optional),
    ];
    let mapping = "[fields.n]\ncolumn = 'n'\n[fields.t]\ncolumn = 't'\n[fields.o]\ncolumn = 'o'";
    let (rows, errors) = mapped("n,t,o\nx,abc,\n,a,ä\n1,a,\n", mapping, &fields);
    assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [4]);
    assert!(!rows[0].values.contains_key("o"));
    let expected = [
        (2, "n", "INTEGER_INVALID"),
        (2, "t", "TEXT_TOO_LONG"),
        (3, "n", "FIELD_REQUIRED"),
        (3, "o", "CODE_INVALID"),
    ];
    let found: Vec<_> = errors
        .iter()
        .map(|(line, field, code)| (*line, field.as_str(), *code))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_mapping_file_that_cannot_be_meant_is_refused() {
    let refused = |text: &str| Mapping::parse(text).unwrap_err();
    let typo = refused("[fields.n]\ncolumn = 'n'\nfromat = '%Y'\n");
    assert!(
        matches!(
            typo,
            MappingError::NotReadable {
                line: 3,
                column: 1,
                ..
            }
        ),
        "{typo:?}"
    );
    assert!(matches!(
        refused("key = \n"),
        MappingError::NotReadable { line: 1, .. }
    ));
    assert_eq!(refused("[fields.n]").code(), "MAPPING_SOURCE_UNCLEAR");
    assert_eq!(
        refused("[fields.n]\ncolumn='a'\nconstant='b'").code(),
        "MAPPING_SOURCE_UNCLEAR"
    );
    for offset in ["8", "+8:00", "+08:60", "Asia/Shanghai", "é"] {
        let text = format!("[fields.n]\ncolumn='a'\noffset='{offset}'");
        assert_eq!(
            refused(&text).code(),
            "MAPPING_OFFSET_UNREADABLE",
            "{offset}"
        );
    }
    for format in ["%Y/%m/%d", "%H:%M", "%", "%!"] {
        let text = format!("[fields.n]\ncolumn='a'\nformat='{format}'");
        assert_eq!(refused(&text).code(), "MAPPING_FORMAT_UNUSABLE", "{format}");
    }
}

#[test]
fn a_mapping_that_does_not_fit_table_or_target_is_refused_by_name() {
    let table = read("a,b\n1,2\n").unwrap();
    let fields = [field("n", FieldKind::Integer, Need::Required)];
    let refused = |mapping: &str| {
        let mapping = Mapping::parse(mapping).unwrap();
        map_rows(
            &table,
            &mapping,
            &Schema {
                fields: &fields,
                in_order: &[],
            },
        )
        .unwrap_err()
    };
    let unknown = MappingError::FieldUnknown {
        field: "m".to_owned(),
        known: "n".to_owned(),
    };
    assert_eq!(refused("[fields.m]\ncolumn = 'a'"), unknown);
    let missing = MappingError::ColumnMissing {
        field: "n".to_owned(),
        column: "c".to_owned(),
    };
    assert_eq!(refused("[fields.n]\ncolumn = 'c'"), missing);
    assert_eq!(
        refused("fields = {}"),
        MappingError::FieldUnmapped {
            field: "n".to_owned()
        }
    );
    let key = MappingError::ColumnMissing {
        field: "key".to_owned(),
        column: "id".to_owned(),
    };
    assert_eq!(refused("key = 'id'\n[fields.n]\ncolumn = 'a'"), key);
    let constant = MappingError::ConstantRefused {
        field: "n".to_owned(),
        code: RowErrorCode::IntegerInvalid,
    };
    assert_eq!(refused("[fields.n]\nconstant = 'x'"), constant);
}

#[test]
fn the_sample_of_real_requests_is_read_and_its_three_impossible_rows_are_named() {
    let table = read_table(SAMPLE, LIMITS).unwrap();
    assert_eq!(table.rows.len(), 400);
    let fields = [
        field("opened_at", FieldKind::Moment, Need::Required),
        field("due_at", FieldKind::Moment, Need::Optional),
        field("ward", FieldKind::Code, Need::Optional),
        field("origin", FieldKind::Code, Need::Required),
    ];
    let schema = Schema {
        fields: &fields,
        in_order: &[InOrder {
            start: "opened_at",
            due: "due_at",
        }],
    };
    let mapping = Mapping::parse(
        "key = 'id'
        [fields]
        opened_at = { column = 'created_at' }
        due_at = { column = 'due_at' }
        ward = { column = 'ward', strip_prefix = 'Ward ' }
        origin = { constant = 'boston-311' }",
    )
    .unwrap();
    let (rows, errors) = map_rows(&table, &mapping, &schema).unwrap();
    assert_eq!(rows.len(), 397);
    let refused: Vec<_> = errors
        .iter()
        .map(|error| {
            let row = table
                .rows
                .iter()
                .find(|row| row.line == error.line)
                .unwrap();
            (
                row.cells[0].as_str(),
                error.field.as_str(),
                error.code.as_str(),
            )
        })
        .collect();
    let expected = ["101000304444", "101000304447", "101000304470"]
        .map(|id| (id, "due_at", "DUE_BEFORE_START"));
    assert_eq!(refused, expected);
    assert!(rows.iter().any(|row| !row.values.contains_key("due_at")));
}

#[test]
fn all_of_dezhou_is_one_table() {
    let limits = Limits {
        rows_max: 5_455,
        ..LIMITS
    };
    let table = read_table(DIVISIONS, limits).unwrap();
    assert_eq!((table.rows.len(), table.headers.len()), (5_455, 4));
    assert_eq!(table.rows[5_454].line, 5_456);
}

#[test]
fn the_dispatch_catalogue_has_ten_classes_and_twenty_two_items_with_known_clocks() {
    let bytes = include_bytes!("../../../deploy/catalogue/classes.csv");
    let table = read_table(bytes, LIMITS).unwrap();
    let cell = |row: &Row, name: &str| row.cells[table.column(name).unwrap()].clone();
    let (classes, items): (Vec<_>, Vec<_>) = table
        .rows
        .iter()
        .partition(|row| cell(row, "parent").is_empty());
    assert_eq!((classes.len(), items.len()), (10, 22));
    for item in items {
        assert!(
            classes
                .iter()
                .any(|class| cell(class, "id") == cell(item, "parent")),
            "line {}",
            item.line
        );
    }
    for row in &table.rows {
        assert!(
            fengqiao_hub::clock::preset(&cell(row, "clock_preset")).is_ok(),
            "line {}",
            row.line
        );
        assert!(
            ["20", "30", "40", "50", "60"].contains(&cell(row, "level_lowest").as_str()),
            "line {}",
            row.line
        );
    }
}

#[test]
fn no_error_and_no_debug_shows_what_a_cell_holds() {
    let secret = "13800001111";
    let table = read(&format!("tel,n\n{secret},{secret}x\n{secret},1\n")).unwrap();
    let fields = [
        field("n", FieldKind::Integer, Need::Required),
        field("tel", FieldKind::Code, Need::Required),
    ];
    let mapping =
        Mapping::parse("key = 'tel'\n[fields.n]\ncolumn = 'n'\n[fields.tel]\ncolumn = 'tel'")
            .unwrap();
    let (rows, errors) = map_rows(
        &table,
        &mapping,
        &Schema {
            fields: &fields,
            in_order: &[],
        },
    )
    .unwrap();
    let again = read(&format!("tel,n\n{secret},1\n")).unwrap();
    let (good, _) = map_rows(
        &again,
        &mapping,
        &Schema {
            fields: &fields,
            in_order: &[],
        },
    )
    .unwrap();
    let shown = format!(
        "{table:?} {:?} {rows:?} {errors:?} {good:?} {:?}",
        table.rows, good[0].values
    );
    assert!(!shown.contains(secret), "{shown}");
    let ragged = read(&format!("a,b\n{secret}\n")).unwrap_err();
    assert!(!format!("{ragged} {ragged:?} {}", ragged.message_zh()).contains(secret));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read_table(&bytes, LIMITS);
    }

    #[test]
    fn no_table_makes_the_mapping_panic(text in "[a-c,;\"\t\r\n0-9 :/T+Z-]{0,120}", settings in "[a-z= '%YmdHz:+0-9\n]{0,40}") {
        if let Ok(table) = read(&text) {
            let fields = [field("v", FieldKind::Moment, Need::Optional)];
            let column = table.headers[0].replace('\'', "");
            let chosen = Mapping::parse(&format!("[fields.v]\ncolumn = '{column}'\n{settings}"));
            let plain = Mapping::parse(&format!("[fields.v]\ncolumn = '{column}'\noffset = '+08:00'"));
            for mapping in [chosen, plain].into_iter().flatten() {
                let _ = map_rows(&table, &mapping, &Schema { fields: &fields, in_order: &[] });
            }
        }
    }

    #[test]
    fn what_a_csv_writer_wrote_is_read_back(
        rows in proptest::collection::vec(proptest::collection::vec("[a-z\",;\n路灯 ]{0,8}", 3), 0..8),
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["a", "b", "c"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let table = read_table(&writer.into_inner().unwrap(), LIMITS).unwrap();
        let trimmed = rows.iter().map(|row| row.iter().map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
        let expected: Vec<_> = trimmed.filter(|row| row.iter().any(|cell| !cell.is_empty())).collect();
        prop_assert_eq!(table.rows.into_iter().map(|row| row.cells).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn each_row_is_good_or_has_an_error_and_never_both(cells in proptest::collection::vec("[0-9a]{0,2}", 0..30)) {
        let text = cells.iter().fold("v,k\n".to_owned(), |text, cell| format!("{text}{cell},x\n"));
        let fields = [field("v", FieldKind::Integer, Need::Required)];
        let (rows, errors) = mapped(&text, "[fields.v]\ncolumn = 'v'", &fields);
        let mut found: Vec<u64> = rows.iter().map(|row| row.line).chain(errors.iter().map(|error| error.0)).collect();
        found.sort_unstable();
        found.dedup();
        let expected: Vec<u64> = (2..).take(cells.len()).collect();
        prop_assert_eq!(found, expected);
        prop_assert!(rows.iter().all(|row| errors.iter().all(|error| error.0 != row.line)));
    }
}
