//! The requests of the file, each row checked before anything is made of it.

use fengqiao_hub::clock::Moment;
use fengqiao_hub::refusal::Code;
use fengqiao_node::tabular::{
    FieldKind, FieldSpec, InOrder, Limits, MappedRow, Mapping, Need, Schema, Value, Wanted, Words,
    map_rows, read_table,
};
use fengqiao_tests::kit::failed::{Done, Failed};

const LIMITS: Limits = Limits {
    bytes_max: 256 << 20,
    rows_max: 1_000_000,
    cell_bytes_max: 64 << 10,
};
/// The longest span a rulebook may say, in days: a due beyond it is no centre's to keep.
pub(super) const DUE_DAYS_MAX: i64 = 3_660;
const DAY_MS: i64 = 86_400_000;
const TEXT: FieldKind<'static> = FieldKind::Text;

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// Id in the file: the external number of its case.
    pub(super) id: String,
    /// When it was made.
    pub(super) created: Moment,
    /// When it was due, where the file says so.
    pub(super) due: Option<Moment>,
    /// Whether it was closed.
    pub(super) closed: bool,
    /// How it came in.
    pub(super) channel: String,
    /// Agency it went to.
    pub(super) agency: String,
    /// Type.
    pub(super) kind: String,
    /// Neighbourhood, or empty.
    pub(super) neighborhood: String,
    /// Ward as written, or empty.
    pub(super) ward: String,
    /// Precinct, or empty.
    pub(super) precinct: String,
    /// Street, or empty.
    pub(super) street: String,
    /// What was told in the end, or empty.
    pub(super) resolution: String,
}

/// A row that is not replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RefusedRow {
    /// Line of the file.
    pub(super) line: u64,
    /// Id in the file.
    pub(super) id: String,
    /// Stable code.
    pub(super) code: String,
    /// Field that is wrong.
    pub(super) field: String,
}

/// The file as read.
#[derive(Debug)]
pub(super) struct Rows {
    /// Sound rows by time of creation.
    pub(super) accepted: Vec<Request>,
    /// The others.
    pub(super) refused: Vec<RefusedRow>,
    /// Rows below the header.
    pub(super) total: usize,
}

/// Field, column, whether it must be filled.
const FIELDS: [(&str, &str, FieldKind<'static>, Need); 12] = [
    ("id", "id", FieldKind::Code, Need::Required),
    ("created", "created_at", FieldKind::Moment, Need::Required),
    ("due", "due_at", FieldKind::Moment, Need::Optional),
    (
        "status",
        "status",
        FieldKind::Choice(&[("Open", &[]), ("Closed", &[])]),
        Need::Required,
    ),
    ("channel", "channel", TEXT, Need::Optional),
    ("agency", "agency", TEXT, Need::Required),
    ("type", "type", TEXT, Need::Required),
    ("neighborhood", "neighborhood", TEXT, Need::Optional),
    ("ward", "ward", TEXT, Need::Optional),
    ("precinct", "precinct", TEXT, Need::Optional),
    ("street", "street", TEXT, Need::Optional),
    ("resolution", "resolution", TEXT, Need::Optional),
];

/// Reads the bytes of the file.
///
/// # Errors
/// The file as a whole is no such table.
pub(super) fn read(bytes: &[u8]) -> Done<Rows> {
    let refused = |code: &str, words: Words| Failed::usage(code, words.english, words.chinese);
    let columns = FIELDS.map(|(_, column, ..)| vec![column.to_owned()]);
    let wanted = Wanted {
        columns: &columns,
        sheet: None,
    };
    let table = read_table(bytes.to_vec(), LIMITS, &wanted)
        .map_err(|error| refused(error.code(), error.words()))?;
    let mut mapping = "key = \"id\"\n".to_owned();
    for (field, column, ..) in FIELDS {
        mapping.push_str(&format!("[fields.{field}]\ncolumn = \"{column}\"\n"));
    }
    let specs = FIELDS.map(|(name, _, kind, need)| FieldSpec {
        name,
        chinese: "",
        kind,
        need,
    });
    let schema = Schema {
        fields: &specs,
        in_order: &[InOrder {
            start: "created",
            due: "due",
        }],
    };
    let mapped = Mapping::parse(&mapping).and_then(|mapping| map_rows(&table, &mapping, schema));
    let (rows, wrong) = mapped.map_err(|error| refused(error.code(), error.words()))?;
    let total = rows.len() + wrong.len();
    let field_of = |column: &str| {
        let field = FIELDS.iter().find(|(_, name, ..)| *name == column);
        field.map_or(column, |(field, ..)| field).to_owned()
    };
    let (rows, beyond): (Vec<_>, Vec<_>) = rows.into_iter().partition(due_can_be_kept);
    let beyond = beyond.into_iter().map(|row| RefusedRow {
        line: row.line,
        id: row.key,
        code: Code::DueTooLate.as_str().to_owned(),
        field: "due".to_owned(),
    });
    let mut refused: Vec<RefusedRow> = wrong
        .into_iter()
        .filter_map(|row| {
            let error = row.errors.into_iter().next()?;
            Some(RefusedRow {
                line: row.line,
                id: row.key,
                code: error.code,
                field: field_of(&error.column.map_or_else(String::new, |column| column.name)),
            })
        })
        .chain(beyond)
        .collect();
    refused.sort_by_key(|row| row.line);
    let mut accepted: Vec<Request> = rows.into_iter().map(request).collect();
    accepted.sort_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
    Ok(Rows {
        accepted,
        refused,
        total,
    })
}

/// Whether a row has no due, or one within the longest span there is.
fn due_can_be_kept(row: &MappedRow) -> bool {
    let moment = |field: &str| match row.values.get(field) {
        Some(Value::Moment(moment)) => Some(moment.0),
        Some(Value::Text(_) | Value::Integer(_)) | None => None,
    };
    let span = moment("due").zip(moment("created"));
    span.is_none_or(|(due, created)| due - created <= DUE_DAYS_MAX * DAY_MS)
}

fn request(mut row: MappedRow) -> Request {
    let mut text = |field: &str| match row.values.remove(field) {
        Some(Value::Text(text)) => text,
        Some(Value::Moment(_) | Value::Integer(_)) | None => String::new(),
    };
    let (id, closed, channel) = (text("id"), text("status") == "Closed", text("channel"));
    let (agency, kind, neighborhood) = (text("agency"), text("type"), text("neighborhood"));
    let (ward, precinct) = (text("ward"), text("precinct"));
    let (street, resolution) = (text("street"), text("resolution"));
    let moment = |field: &str| match row.values.get(field) {
        Some(Value::Moment(moment)) => Some(*moment),
        Some(Value::Text(_) | Value::Integer(_)) | None => None,
    };
    Request {
        id,
        created: moment("created").unwrap_or(Moment(0)),
        due: moment("due"),
        closed,
        channel,
        agency,
        kind,
        neighborhood,
        ward,
        precinct,
        street,
        resolution,
    }
}
