//! Facts about workbooks. They are put together here, so that each cell is what its test says.

use std::io::Write as _;

use fengqiao_hub::clock::Moment;

use super::*;

/// A workbook of sheets, each a name and the XML of its rows.
fn workbook(sheets: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut add = |name: &str, text: &str| {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(name, options).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    };
    const TYPES: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";
    const SPREADSHEET: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
    let mut overrides = String::new();
    let (mut list, mut relations) = (String::new(), String::new());
    for (index, (name, _)) in sheets.iter().enumerate() {
        let id = index + 1;
        overrides.push_str(&format!("<Override PartName=\"/xl/worksheets/sheet{id}.xml\" ContentType=\"{TYPES}.worksheet+xml\"/>"));
        list.push_str(&format!(
            "<sheet name=\"{name}\" sheetId=\"{id}\" r:id=\"rId{id}\"/>"
        ));
        relations.push_str(&format!("<Relationship Id=\"rId{id}\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet{id}.xml\"/>"));
    }
    relations.push_str(&format!(
        "<Relationship Id=\"rId99\" Type=\"{OFFICE}/styles\" Target=\"styles.xml\"/>"
    ));
    add(
        "[Content_Types].xml",
        &format!(
            "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"xml\" ContentType=\"application/xml\"/><Override PartName=\"/xl/workbook.xml\" ContentType=\"{TYPES}.sheet.main+xml\"/>{overrides}</Types>"
        ),
    );
    add(
        "_rels/.rels",
        &format!(
            "<Relationships xmlns=\"{PACKAGE}\"><Relationship Id=\"rId1\" Type=\"{OFFICE}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
        ),
    );
    add(
        "xl/workbook.xml",
        &format!(
            "<workbook xmlns=\"{SPREADSHEET}\" xmlns:r=\"{OFFICE}\"><sheets>{list}</sheets></workbook>"
        ),
    );
    add(
        "xl/_rels/workbook.xml.rels",
        &format!("<Relationships xmlns=\"{PACKAGE}\">{relations}</Relationships>"),
    );
    // Style 1 is a date with its time.
    add(
        "xl/styles.xml",
        &format!(
            "<styleSheet xmlns=\"{SPREADSHEET}\"><cellXfs count=\"2\"><xf numFmtId=\"0\"/><xf numFmtId=\"22\"/></cellXfs></styleSheet>"
        ),
    );
    for (index, (_, rows)) in sheets.iter().enumerate() {
        add(
            &format!("xl/worksheets/sheet{}.xml", index + 1),
            &format!(
                "<worksheet xmlns=\"{SPREADSHEET}\"><sheetData>{rows}</sheetData></worksheet>"
            ),
        );
    }
    archive.finish().unwrap().into_inner()
}

fn text(at: &str, text: &str) -> String {
    format!("<c r=\"{at}\" t=\"inlineStr\"><is><t>{text}</t></is></c>")
}

fn number(at: &str, value: &str) -> String {
    format!("<c r=\"{at}\"><v>{value}</v></c>")
}

fn line(number: u32, cells: &[String]) -> String {
    format!("<row r=\"{number}\">{}</row>", cells.concat())
}

fn header() -> String {
    line(
        1,
        &[
            text("A1", "编号"),
            text("B1", "来件时间"),
            text("C1", "电话"),
        ],
    )
}

const MAPPING: &str = "key = '编号'\n[fields.received]\ncolumn = '来件时间'\nformat = '%Y/%m/%d %H:%M'\noffset = '+08:00'\n[fields.phone]\ncolumn = '电话'\n";
const FIELDS: [FieldSpec<'static>; 2] = [
    FieldSpec {
        name: "received",
        chinese: "",
        kind: FieldKind::Moment,
        need: Need::Required,
    },
    FieldSpec {
        name: "phone",
        chinese: "",
        kind: FieldKind::Telephone,
        need: Need::Optional,
    },
];

fn mapped(bytes: &[u8]) -> (Vec<MappedRow>, Vec<RefusedRow>) {
    let mapping = Mapping::parse(MAPPING).unwrap();
    let table = read_for(bytes, &["编号", "来件时间", "电话"]).unwrap();
    map_rows(
        &table,
        &mapping,
        Schema {
            fields: &FIELDS,
            in_order: &[],
        },
    )
    .unwrap()
}

#[test]
fn dates_and_long_numbers_are_what_the_workbook_says_they_are() {
    let rows = [
        header(),
        // 16 February 2023, 08:40.
        line(
            2,
            &[
                text("A2", "X-1"),
                "<c r=\"B2\" s=\"1\"><v>44973.361111111109</v></c>".to_owned(),
                number("C2", "13800000000"),
            ],
        ),
        line(3, &[text("A3", "X-2"), text("B3", "2023/2/16 08:40")]),
        line(
            5,
            &[
                text("A5", "X-3"),
                number("B5", "44973.36"),
                number("C5", "1.38E10"),
            ],
        ),
        line(
            6,
            &[
                number("A6", "20230216001000000000"),
                text("B6", "2023/2/16 08:40"),
            ],
        ),
        line(
            7,
            &[
                text("A7", "X-4"),
                "<c r=\"B7\" s=\"1\"><v>0</v></c>".to_owned(),
            ],
        ),
        line(
            8,
            &[
                text("A8", "X-5"),
                "<c r=\"B8\" t=\"e\"><v>#N/A</v></c>".to_owned(),
            ],
        ),
    ]
    .concat();
    let (rows, refused) = mapped(&workbook(&[("工单", &rows)]));
    let received = Moment::parse_rfc3339("2023-02-16T08:40:00+08:00").unwrap();
    let lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
    assert_eq!(lines, [2, 3]);
    assert!(
        rows.iter()
            .all(|row| row.values["received"] == Value::Moment(received))
    );
    assert_eq!(rows[0].text("phone"), "13800000000");
    let style = Mapping::parse(MAPPING).unwrap().style_of("来件时间");
    assert_eq!(rows[0].cells[1].written(style.as_ref()), "2023/02/16 08:40");
    assert_eq!(rows[0].cells[1].written(None), "2023-02-16 08:40:00");
    let told: Vec<(u64, usize, &str)> = refused
        .iter()
        .flat_map(|row| &row.errors)
        .map(|error| {
            (
                error.line,
                error.column.as_ref().unwrap().number,
                error.code.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (5, 2, "DATE_UNREADABLE"),
            (6, 1, "DIGITS_LOST"),
            (7, 2, "TIME_ZERO"),
            (8, 2, "FORMULA_ERROR"),
        ]
    );
}

#[test]
fn a_title_empty_rows_and_other_sheets_are_passed_over_and_said() {
    let rows = [
        line(1, &[text("A1", "热线工单汇总表")]),
        line(
            3,
            &[
                text("A3", "编号"),
                text("B3", "来件时间"),
                text("C3", "电话"),
            ],
        ),
        line(
            4,
            &[
                text("A4", "X-1"),
                text("B4", "2023/2/16 08:40"),
                text("D4", "  "),
            ],
        ),
        line(6, &[text("A6", "  ")]),
    ]
    .concat();
    let other = line(1, &[text("A1", "说明")]);
    let bytes = workbook(&[("空", ""), ("工单", &rows), ("说明", &other), ("又空", "")]);
    let table = read_for(&bytes, &["编号", "来件时间", "电话"]).unwrap();
    assert_eq!(
        table.source,
        Source::Sheet {
            name: "工单".to_owned()
        }
    );
    assert_eq!(seen(&table), [row(4, &["X-1", "2023/2/16 08:40", ""])]);
    let passed = passed_over(&table);
    assert_eq!(
        (passed.titles, passed.sheets),
        (vec![1], vec!["说明".to_owned()])
    );
    let columns = [vec!["说明".to_owned()]];
    let chosen = Wanted {
        columns: &columns,
        sheet: Some("说明"),
    };
    assert_eq!(
        read_table(bytes.clone(), LIMITS, &chosen).unwrap().headers,
        ["说明"]
    );
    let missing = Wanted {
        sheet: Some("三月"),
        ..chosen
    };
    let refused = read_table(bytes, LIMITS, &missing).unwrap_err();
    assert_eq!(refused.code(), "SHEET_UNKNOWN");
    assert!(
        refused.words().chinese.contains("空、工单、说明"),
        "{refused:?}"
    );
}

#[test]
fn a_workbook_that_unpacks_beyond_the_limit_is_refused_before_it_is_read() {
    let large = line(2, &[text("A2", &"0".repeat(9 << 20))]);
    let bytes = workbook(&[("a", &format!("{}{large}", header()))]);
    assert!(bytes.len() < 200_000, "{}", bytes.len());
    assert_eq!(
        read_for(&bytes, &[]),
        Err(TabularError::FileTooLarge { bytes_max: 8 << 20 })
    );
    // One cell far away costs no more than one cell.
    let far = workbook(&[(
        "a",
        &format!("{}{}", header(), line(1_048_576, &[text("A1048576", "x")])),
    )]);
    assert_eq!(
        seen(&read_for(&far, &[]).unwrap()),
        [row(1_048_576, &["x", "", ""])]
    );
    let wide = workbook(&[(
        "a",
        &format!("{}{}", header(), line(2, &[text("XFD2", "x")])),
    )]);
    assert_eq!(
        read_for(&wide, &[]),
        Err(TabularError::ColumnsTooMany {
            columns_max: COLUMNS_MAX
        })
    );
}

#[test]
fn a_workbook_that_no_program_wrote_is_refused() {
    let whole = workbook(&[("a", &header())]);
    assert_eq!(
        read_for(&whole[..whole.len() / 2], &[]),
        Err(TabularError::WorkbookDamaged)
    );
    let twice = workbook(&[("a", &format!("{}{}", header(), header()))]);
    assert_eq!(read_for(&twice, &[]), Err(TabularError::WorkbookDamaged));
    assert_eq!(
        read_for(&workbook(&[("a", "")]), &[]),
        Err(TabularError::FileEmpty)
    );
}

proptest! {
    #[test]
    fn no_damaged_workbook_makes_the_reader_panic(at in 0_usize..2_000, byte in any::<u8>()) {
        let mut bytes = workbook(&[("a", &header())]);
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(table) = read_for(&bytes, &["编号"]) {
            let _ = seen(&table);
        }
    }
}
