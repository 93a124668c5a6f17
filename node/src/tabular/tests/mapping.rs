//! Facts about mapping files and the rows they make.

use fengqiao_hub::clock::Moment;

use super::*;

const SAMPLE: &[u8] = include_bytes!("../../../../deploy/boston/requests_sample.csv");

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
        moment(
            "2023-02-03T12:00:00+08:00[Asia/Shanghai]",
            "offset = '-04:00'"
        ),
        Err(RowErrorCode::DateUnreadable),
        "an offset that is not understood is not passed over"
    );
    for beyond in [
        "2023-02-03T12:00-30:00",
        "2023-02-03-04:00",
        "2023-02-03T12:00:00-04:99",
    ] {
        assert_eq!(
            moment(beyond, "offset = '+08:00'"),
            Err(RowErrorCode::DateUnreadable),
            "{beyond}"
        );
    }
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
    let ward = "strip_prefix = 'Ward'";
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
