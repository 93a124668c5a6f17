//! Facts about tables as people bring them, and about the real sample of requests.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mapping;

use encoding_rs::GB18030;
use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    bytes_max: 1 << 20,
    rows_max: 1_000,
    cell_bytes_max: 4_096,
};
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
    fn chinese_text_in_gb18030_is_read_as_it_was_written(cell in "[\u{4e00}-\u{9fa5}，。]{5,60}") {
        let text = format!("编号,内容\n1,{cell}\n");
        let (bytes, _, _) = GB18030.encode(&text);
        let table = read_table(&bytes, LIMITS).unwrap();
        prop_assert!(table.encoding == Encoding::Gb18030 && table.rows[0].cells[1] == cell);
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
