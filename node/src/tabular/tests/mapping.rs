//! Facts about mapping files and the rows they make.

use fengqiao_hub::clock::Moment;

use super::*;

const SAMPLE: &[u8] = include_bytes!("../../../../deploy/boston/requests_sample.csv");

fn field<'a>(name: &'a str, kind: FieldKind<'a>, need: Need) -> FieldSpec<'a> {
    FieldSpec {
        name,
        chinese: "",
        kind,
        need,
    }
}

/// A table of one column `v` read into one field `v` of some kind.
fn one_value(cell: &str, kind: FieldKind<'_>, settings: &str) -> Result<Value, String> {
    let quoted = cell.replace('"', "\"\"");
    let table = read(&format!("v\n\"{quoted}\"\n")).unwrap();
    let mapping = Mapping::parse(&format!("[fields.v]\ncolumn = \"v\"\n{settings}")).unwrap();
    let fields = [field("v", kind, Need::Required)];
    let schema = Schema {
        fields: &fields,
        in_order: &[],
    };
    let (mut rows, refused) = map_rows(&table, &mapping, schema).unwrap();
    match refused.first() {
        Some(row) => Err(row.errors[0].code.clone()),
        None => Ok(rows.remove(0).values.remove("v").unwrap()),
    }
}

/// The errors of a table, each with line, column and code.
fn wrong(text: &str, mapping: &str, fields: &[FieldSpec<'_>]) -> Vec<(u64, usize, String)> {
    let table = read(text).unwrap();
    let mapping = Mapping::parse(mapping).unwrap();
    let schema = Schema {
        fields,
        in_order: &[],
    };
    let (_, refused) = map_rows(&table, &mapping, schema).unwrap();
    let errors = refused.into_iter().flat_map(|row| row.errors);
    errors
        .map(|error| {
            let column = error.column.map_or(0, |column| column.number);
            (error.line, column, error.code)
        })
        .collect()
}

fn code<T: std::fmt::Debug>(result: Result<T, String>) -> String {
    result.unwrap_err()
}

#[test]
fn moments_are_read_in_the_form_the_mapping_names() {
    let moment = |cell: &str, settings: &str| one_value(cell, FieldKind::Moment, settings);
    let at = |text: &str| Ok(Value::Moment(Moment::parse_rfc3339(text).unwrap()));
    let noon = at("2023-02-03T12:00:00+08:00");
    let midnight = at("2023-02-03T00:00:00+08:00");
    assert_eq!(moment("2023-02-03T04:00:00Z", ""), noon);
    assert_eq!(moment("2023-02-03 12:00", "offset = '+08:00'"), noon);
    assert_eq!(
        moment("2023-02-03T12:00:00+08:00", "offset = '-04:00'"),
        noon,
        "an offset in the cell stands"
    );
    assert_eq!(moment("2023-02-03", "offset = '+08:00'"), midnight);
    let slashes = "format = '%Y/%m/%d %H:%M'\noffset = '+08:00'";
    assert_eq!(moment("2023/2/3 12:00", slashes), noon);
    assert_eq!(
        moment("2023年2月3日", "format = '%Y年%m月%d日'\noffset = '+08:00'"),
        midnight
    );
    assert_eq!(
        moment("03.02.2023 12:00 +0800", "format = '%d.%m.%Y %H:%M %z'"),
        noon
    );
    for (beyond, settings) in [
        ("2023-02-03 12:00", ""),
        (
            "2023-02-03T12:00:00+08:00[Asia/Shanghai]",
            "offset = '-04:00'",
        ),
        ("2023-02-03T12:00-30:00", "offset = '+08:00'"),
        ("2023-02-03-04:00", "offset = '+08:00'"),
        ("2023-02-03T12:00:00-04:99", "offset = '+08:00'"),
        ("2023-02-03 25:00", "offset = '+08:00'"),
        ("3/1/23 8:05", slashes),
        ("2023-02-03 24:00", slashes),
        ("45017", "offset = '+08:00'"),
    ] {
        assert_eq!(
            code(moment(beyond, settings)),
            "DATE_UNREADABLE",
            "{beyond}"
        );
    }
    assert_eq!(
        moment("2023-02-03T12:00:00-04", "offset = '+08:00'"),
        moment("2023-02-03T16:00:00Z", "")
    );
}

#[test]
fn a_time_in_another_form_is_told_which_form_is_meant_with_an_example() {
    let text = "编号,来件时间\n1,2023/3/1 8:05\n";
    let table = read(text).unwrap();
    let mapping = Mapping::parse(
        "key = '编号'\n[fields.received]\ncolumn = '来件时间'\nformat = '%Y-%m-%d %H:%M'\noffset = '+08:00'",
    )
    .unwrap();
    let fields = [field("received", FieldKind::Moment, Need::Required)];
    let schema = Schema {
        fields: &fields,
        in_order: &[],
    };
    let (_, refused) = map_rows(&table, &mapping, schema).unwrap();
    let words = refused[0].errors[0].words();
    assert!(
        words.chinese.starts_with("第2行第2列“来件时间”（时间）："),
        "{words:?}"
    );
    assert!(words.chinese.contains("2023-02-16 08:40"), "{words:?}");
    assert!(
        words
            .english
            .starts_with("line 2, column 2 \"来件时间\" (time): "),
        "{words:?}"
    );
    assert!(words.english.contains("2023-02-16 08:40"), "{words:?}");
}

#[test]
fn days_that_do_not_exist_zeros_and_old_times_are_refused_by_name() {
    let found = |cell: &str, settings: &str| code(one_value(cell, FieldKind::Moment, settings));
    let local = "offset = '+08:00'";
    for (cell, settings, expected) in [
        ("2023-02-30T10:00:00+08:00", "", "DATE_DOES_NOT_EXIST"),
        ("2023-02-30", local, "DATE_DOES_NOT_EXIST"),
        ("2023-13-01", local, "DATE_DOES_NOT_EXIST"),
        (
            "30.02.2023",
            "format = '%d.%m.%Y'\noffset = '+08:00'",
            "DATE_DOES_NOT_EXIST",
        ),
        (
            "2023/2/29",
            "format = '%Y/%m/%d'\noffset = '+08:00'",
            "DATE_DOES_NOT_EXIST",
        ),
        ("yesterday", "", "DATE_UNREADABLE"),
        ("0000-00-00 00:00:00", local, "TIME_ZERO"),
        (
            "1900/1/0 0:00",
            "format = '%Y/%m/%d %H:%M'\noffset = '+08:00'",
            "TIME_ZERO",
        ),
        ("1899-12-30 00:00:00", local, "TIME_ZERO"),
        ("1970-01-01T00:00:00Z", "", "TIME_ZERO"),
        ("1970-01-01 08:00:00", local, "TIME_ZERO"),
        ("1900-01-01 00:00:00", local, "TIME_TOO_OLD"),
        ("1989-12-31 23:59", local, "TIME_TOO_OLD"),
        ("0023-02-16 08:40", local, "DATE_UNREADABLE"),
        ("0001-01-01 00:00:00", local, "TIME_ZERO"),
        ("########", local, "COLUMN_TOO_NARROW"),
        ("#N/A", local, "FORMULA_ERROR"),
    ] {
        assert_eq!(found(cell, settings), expected, "{cell}");
    }
    assert!(one_value("1990-01-01 00:00", FieldKind::Moment, local).is_ok());
}

#[test]
fn values_are_checked_by_kind() {
    let text = |value: &str| Ok(Value::Text(value.to_owned()));
    assert_eq!(
        one_value(" 17 ", FieldKind::Integer, ""),
        Ok(Value::Integer(17))
    );
    assert_eq!(
        code(one_value("17.5", FieldKind::Integer, "")),
        "INTEGER_INVALID"
    );
    assert_eq!(
        one_value("371403001205", FieldKind::Code, ""),
        text("371403001205")
    );
    assert_eq!(code(one_value("a b", FieldKind::Code, "")), "CODE_INVALID");
    assert_eq!(
        one_value("３７１４０２", FieldKind::DivisionCode, ""),
        text("371402")
    );
    for wrong in ["37140", "3714.0", "3,714", "371402a", "37-14"] {
        assert_eq!(
            code(one_value(wrong, FieldKind::DivisionCode, "")),
            "CODE_INVALID",
            "{wrong}"
        );
    }
    let name = FieldKind::Name { characters_max: 4 };
    assert_eq!(one_value(" 张\u{3000}三", name, ""), text("张 三"));
    assert_eq!(
        code(one_value("张\u{200b}三", name, "")),
        "INVISIBLE_CHARACTER"
    );
    assert_eq!(code(one_value("张\n三", name, "")), "CONTROL_CHARACTER");
    assert_eq!(code(one_value("路灯路灯路", name, "")), "FIELD_TOO_LONG");
    let channels: FieldKind<'_> = FieldKind::Choice(&[("phone", &["电话"]), ("web", &["网页"])]);
    let values = "values = { 'Constituent Call' = 'phone' }";
    assert_eq!(
        one_value("Constituent Call", channels, values),
        text("phone")
    );
    assert_eq!(one_value("电话", channels, ""), text("phone"));
    assert_eq!(one_value("ＷＥＢ", channels, ""), text("web"));
    assert_eq!(
        code(one_value("Twitter", channels, values)),
        "CHOICE_UNKNOWN"
    );
    let ward = "strip_prefix = 'Ward'";
    assert_eq!(
        one_value("Ward 17", FieldKind::Code, ward),
        one_value("17", FieldKind::Code, ward)
    );
}

#[test]
fn what_a_spreadsheet_made_of_a_value_is_refused_by_name_or_unwrapped() {
    let text = |value: &str| Ok(Value::Text(value.to_owned()));
    for kind in [
        FieldKind::Telephone,
        FieldKind::DivisionCode,
        FieldKind::Code,
        FieldKind::Reference,
    ] {
        assert_eq!(
            code(one_value("1.38E+10", kind, "")),
            "SCIENTIFIC_NOTATION",
            "{kind:?}"
        );
        assert_eq!(code(one_value("=A1&B1", kind, "")), "FORMULA", "{kind:?}");
        assert_eq!(
            code(one_value("#REF!", kind, "")),
            "FORMULA_ERROR",
            "{kind:?}"
        );
        assert_eq!(
            code(one_value("#####", kind, "")),
            "COLUMN_TOO_NARROW",
            "{kind:?}"
        );
    }
    assert_eq!(
        one_value("=\"13800000000\"", FieldKind::Telephone, ""),
        text("13800000000")
    );
    assert_eq!(
        one_value("'05342100000", FieldKind::Telephone, ""),
        text("05342100000")
    );
    assert_eq!(
        one_value("=\"371427\"", FieldKind::DivisionCode, ""),
        text("371427")
    );
    assert_eq!(
        one_value("\t371427", FieldKind::DivisionCode, ""),
        text("371427")
    );
    assert_eq!(
        one_value("=\"路灯不亮\"", FieldKind::Text, ""),
        text("路灯不亮")
    );
    assert_eq!(
        one_value("'12 路公交不停站", FieldKind::Text, ""),
        text("'12 路公交不停站")
    );
    assert_eq!(
        one_value("=1+1 等于几", FieldKind::Text, ""),
        text("=1+1 等于几")
    );
    assert_eq!(
        code(one_value("#N/A", FieldKind::Text, "")),
        "FORMULA_ERROR"
    );
    assert_eq!(
        code(one_value(
            "11010519491231002Y",
            FieldKind::IdentityNumber,
            ""
        )),
        "IDENTITY_NUMBER_MALFORMED"
    );
    assert_eq!(
        one_value("11010519491231002x", FieldKind::IdentityNumber, ""),
        text("11010519491231002X")
    );
}

#[test]
fn a_key_that_a_spreadsheet_damaged_is_no_key() {
    let fields = [field("text", FieldKind::Text, Need::Required)];
    let mapping = "key = 'id'\n[fields.text]\ncolumn = 't'";
    assert_eq!(
        wrong(
            "id,t\n2.0230216E+10,a\n2.0230216E+10,b\n#N/A,c\n\"=\"\"7\"\"\",d\n7,e\n",
            mapping,
            &fields
        ),
        [
            (2, 1, "SCIENTIFIC_NOTATION".to_owned()),
            (3, 1, "SCIENTIFIC_NOTATION".to_owned()),
            (4, 1, "FORMULA_ERROR".to_owned()),
            (6, 1, "ROW_DUPLICATE".to_owned()),
        ]
    );
}

#[test]
fn a_repeated_key_or_a_repeated_row_is_reported_with_its_first_line() {
    let fields = [field("text", FieldKind::Text, Need::Required)];
    let found = wrong(
        "id,t\n1,a\n2,b\n1,c\n,d\n",
        "key = 'id'\n[fields.text]\ncolumn = 't'",
        &fields,
    );
    let expected = [
        (4, 1, "ROW_DUPLICATE".to_owned()),
        (5, 1, "KEY_MISSING".to_owned()),
    ];
    assert_eq!(found, expected);
    let table = read("id,t,\n1,ab\n1a,b\n1,ab,\n").unwrap();
    let mapping = Mapping::parse("[fields.text]\ncolumn = 't'").unwrap();
    let schema = Schema {
        fields: &fields,
        in_order: &[],
    };
    let (rows, refused) = map_rows(&table, &mapping, schema).unwrap();
    assert_eq!((rows.len(), refused[0].line), (2, 4));
    assert!(refused[0].errors[0].problem.chinese.contains("第2行"));
    assert!(
        rows[0].key.starts_with("sha256:") && rows[0].key.len() == 71,
        "{}",
        rows[0].key
    );
}

#[test]
fn every_error_of_a_row_is_reported_in_the_order_of_the_columns_and_the_row_left_out() {
    let fields = [
        field("n", FieldKind::Integer, Need::Required),
        field("t", FieldKind::Name { characters_max: 2 }, Need::Required),
        field("o", FieldKind::Code, Need::Optional),
    ];
    let mapping = "[fields.n]\ncolumn = 'n'\n[fields.t]\ncolumn = 't'\n[fields.o]\ncolumn = 'o'";
    let found = wrong("n,t,o\nx,abc,\n,a,ä\n1,a,\n", mapping, &fields);
    let expected = [
        (2, 1, "INTEGER_INVALID"),
        (2, 2, "FIELD_TOO_LONG"),
        (3, 1, "FIELD_REQUIRED"),
        (3, 3, "CODE_INVALID"),
    ];
    assert_eq!(
        found,
        expected.map(|(line, column, code)| (line, column, code.to_owned()))
    );
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
    let curly = refused("key = 'a'\n[fields.n]\nvalues = { “电话” = “phone” }\n");
    assert!(
        matches!(curly, MappingError::NotReadable { line: 3, .. }),
        "{curly:?}"
    );
    assert!(curly.words().chinese.contains("引号"), "{curly:?}");
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
    for format in ["%Y/%m/%d", "%H:%M", "%", "%!", "yyyy-MM-dd HH:mm"] {
        let text = format!("[fields.n]\ncolumn='a'\nformat='{format}'");
        assert_eq!(refused(&text).code(), "MAPPING_FORMAT_UNUSABLE", "{format}");
    }
}

#[test]
fn a_mapping_file_is_read_in_the_encodings_of_tables() {
    let text = "key = \"编号\"\r\n[fields.n]\r\ncolumn = \"编号\"\r\n";
    let plain = Mapping::parse(text).unwrap();
    let (national, _, _) = GB18030.encode(text);
    for bytes in [
        text.as_bytes().to_vec(),
        format!("\u{feff}{text}").into_bytes(),
        national.into_owned(),
        utf16(text, true, true),
    ] {
        assert_eq!(Mapping::read(bytes).unwrap(), plain);
    }
    let torn = text.as_bytes()[..text.len() - 5].to_vec();
    assert_eq!(
        Mapping::read(torn).unwrap_err().code(),
        "MAPPING_NOT_READABLE"
    );
}

#[test]
fn a_mapping_that_does_not_fit_table_or_target_is_refused_by_name() {
    let table = read("a,b\n1,2\n").unwrap();
    let fields = [FieldSpec {
        chinese: "数",
        ..field("n", FieldKind::Integer, Need::Required)
    }];
    let refused = |mapping: &str| {
        let mapping = Mapping::parse(mapping).unwrap();
        let schema = Schema {
            fields: &fields,
            in_order: &[],
        };
        map_rows(&table, &mapping, schema).unwrap_err()
    };
    let unknown = refused("[fields.m]\ncolumn = 'a'");
    assert_eq!(unknown.code(), "MAPPING_FIELD_UNKNOWN");
    assert!(unknown.words().chinese.contains("n 数"), "{unknown:?}");
    let missing = refused("[fields.n]\ncolumn = 'c'");
    assert_eq!(missing.code(), "MAPPING_COLUMN_MISSING");
    assert!(missing.words().chinese.contains("a、b") && missing.words().english.contains("a, b"));
    assert_eq!(
        refused("fields = {}"),
        MappingError::FieldUnmapped {
            field: "n".to_owned()
        }
    );
    assert_eq!(
        refused("key = 'id'\n[fields.n]\ncolumn = 'a'").code(),
        "MAPPING_COLUMN_MISSING"
    );
    assert_eq!(
        refused("[fields.n]\nconstant = 'x'").code(),
        "MAPPING_CONSTANT_REFUSED"
    );
    let chinese = Mapping::parse("[fields.\"数\"]\ncolumn = 'a'").unwrap();
    let schema = Schema {
        fields: &fields,
        in_order: &[],
    };
    let (rows, _) = map_rows(&table, &chinese, schema).unwrap();
    assert_eq!(rows[0].values["n"], Value::Integer(1));
}

#[test]
fn the_sample_of_real_requests_is_read_and_its_three_impossible_rows_are_named() {
    let table = read_for(SAMPLE, &["id"]).unwrap();
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
    let (rows, refused) = map_rows(&table, &mapping, schema).unwrap();
    assert_eq!(rows.len(), 397);
    let due = table.found(table.column("due_at").unwrap());
    let told = refused.iter().map(|row| {
        let error = &row.errors[0];
        (row.key.as_str(), error.column.clone(), error.code.as_str())
    });
    let expected = ["101000304444", "101000304447", "101000304470"]
        .map(|id| (id, Some(due.clone()), "DUE_BEFORE_START"));
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert!(rows.iter().any(|row| !row.values.contains_key("due_at")));
}
