//! The actions as subcommands, built from their descriptors: flags, help and value lists are what the descriptors say.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, Error, FromArgMatches, Subcommand};
use fengqiao_hub::private::Private;
use fengqiao_proto::v1 as pb;
use prost_reflect::{DynamicMessage, Kind, Value};

use crate::app::actions::{ActionType, Choice, Field, Holds, named, types};
use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::words::{parse_private, parse_time, read_text, split_role};

const CASE: &str = "case";
const FURTHER: &str = "further-text";
const REQUEST_ID: &str = "request-id";
const PERSON: [(&str, &str); 3] = [
    (
        "name",
        "Name of who asks, kept sealed; left out when anonymous (姓名)",
    ),
    ("phone", "Telephone number of who asks, kept sealed (电话)"),
    ("address", "Exact address of who asks, kept sealed (住址)"),
];

/// One action with what was given for it; texts that are `-` are not yet read.
#[derive(Debug)]
pub(crate) struct ActionCommand {
    known: &'static ActionType,
    /// Number or id of the case; empty to register one.
    pub(crate) case: String,
    /// Request id, when one was given.
    pub(crate) request_id: Option<String>,
    given: Private<ArgMatches>,
}

impl Subcommand for ActionCommand {
    fn augment_subcommands(command: Command) -> Command {
        command.subcommands(types().iter().map(subcommand))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        named(name).is_some()
    }
}

impl FromArgMatches for ActionCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let (name, given) = matches
            .subcommand()
            .ok_or_else(|| Error::new(clap::error::ErrorKind::MissingSubcommand))?;
        let known =
            named(name).ok_or_else(|| Error::new(clap::error::ErrorKind::InvalidSubcommand))?;
        let text = |id: &str| given.try_get_one::<String>(id).ok().flatten().cloned();
        Ok(Self {
            known,
            case: text(CASE).unwrap_or_default(),
            request_id: text(REQUEST_ID),
            given: Private::new(given.clone()),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn subcommand(known: &'static ActionType) -> Command {
    let spec = known.spec;
    let mut command = Command::new(spec.name).about(format!("{} ({})", spec.en, spec.zh));
    if spec.class != pb::KindClass::Opening {
        let case = Arg::new(CASE)
            .help("Number or id of the case (编号)")
            .required(true);
        command = command.arg(case);
    }
    for field in known.asked() {
        command = command.args(arguments(field));
    }
    let groups = known.asked().map(|field| field.rule.one_of.as_str());
    for name in groups
        .filter(|name| !name.is_empty())
        .collect::<BTreeSet<_>>()
    {
        let same = known.asked().filter(|field| field.rule.one_of == name);
        let group = ArgGroup::new(name).args(same.map(|field| field.path.as_str()));
        command = command.group(group.required(true));
    }
    // What goes with one of several stands beside none of the others.
    for field in known
        .asked()
        .filter(|field| !field.rule.goes_with.is_empty())
    {
        let beside = field.rule.goes_with.as_str();
        let choice = known.asked().find(|other| other.path == beside);
        let choice = choice.map_or("", |choice| choice.rule.one_of.as_str());
        let others = known.asked().filter(|other| {
            !choice.is_empty() && other.rule.one_of == choice && other.path != beside
        });
        let others: Vec<&str> = others.map(|other| other.path.as_str()).collect();
        command = command.mut_arg(field.path.as_str(), |arg| arg.conflicts_with_all(others));
    }
    command
        .arg(
            Arg::new(FURTHER)
                .long(FURTHER)
                .value_name("ROLE=TEXT")
                .action(ArgAction::Append)
                .value_parser(parse_private)
                .help("A further text to keep sealed, with a role of text, reason, evidence, opinion, reply, place, answer, minutes, remedy (其他文本)"),
        )
        .arg(
            Arg::new(REQUEST_ID)
                .long(REQUEST_ID)
                .value_name("ID")
                .help("Id of this request: repeated with the same id it happens once; a new one is drawn otherwise (请求编号)"),
        )
}

/// The name of a field as a flag: without the unit of a moment, one of a list in the singular.
fn flag(field: &Field) -> String {
    let name = field.descriptor.name().trim_end_matches("_ms");
    let name = match field.is_list() {
        true if name.ends_with("ies") => format!("{}y", name.trim_end_matches("ies")),
        true => name.trim_end_matches('s').to_owned(),
        false => name.to_owned(),
    };
    name.replace('_', "-")
}

fn arguments(field: &'static Field) -> Vec<Arg> {
    if field.holds() == Holds::Requester {
        return PERSON
            .iter()
            .map(|(name, help)| {
                let arg = Arg::new(*name).long(*name).value_name("TEXT");
                arg.help(*help).value_parser(parse_private)
            })
            .collect();
    }
    let name = flag(field);
    let value = match field.holds() {
        Holds::Moment => "TIME".to_owned(),
        Holds::Flag => "yes|no".to_owned(),
        Holds::Choice(_) => "WORD".to_owned(),
        Holds::Number => "NUMBER".to_owned(),
        Holds::Group => name.to_uppercase(),
        Holds::Text | Holds::Requester if field.rule.sealed.is_empty() => name.to_uppercase(),
        Holds::Text | Holds::Requester => "TEXT".to_owned(),
    };
    let arg = Arg::new(field.path.clone())
        .long(name)
        .value_name(value)
        .required(field.rule.required)
        .help(help(field));
    let arg = if field.is_list() {
        arg.action(ArgAction::Append)
    } else {
        arg
    };
    vec![match field.holds() {
        Holds::Moment => arg.value_parser(parse_time),
        Holds::Flag => arg.value_parser(PossibleValuesParser::new([
            PossibleValue::new("yes").help("是"),
            PossibleValue::new("no").help("否"),
        ])),
        Holds::Number if field.rule.most > 0 => {
            arg.value_parser(clap::value_parser!(u32).range(1..=i64::from(field.rule.most)))
        }
        Holds::Number => arg.value_parser(clap::value_parser!(u32)),
        Holds::Choice(choices) => arg.value_parser(PossibleValuesParser::new(
            choices.into_iter().map(|choice| {
                let Choice { word, words, .. } = choice;
                PossibleValue::new(word).help(format!("{} ({})", words.en, words.zh))
            }),
        )),
        Holds::Text if !field.rule.sealed.is_empty() => arg.value_parser(parse_private),
        Holds::Text | Holds::Requester | Holds::Group => arg,
    }]
}

fn help(field: &Field) -> String {
    let mut help = format!("{} ({})", field.rule.en, field.rule.zh);
    if field.holds() == Holds::Moment {
        help.push_str("; RFC 3339");
    }
    if !field.rule.sealed.is_empty() {
        help.push_str("; kept sealed, `-` reads it from the standard input");
    }
    help
}

impl ActionCommand {
    /// The request for the node, with what the standard input says.
    ///
    /// # Errors
    /// A usage failure that names the flag.
    pub(crate) fn request(
        &self,
        context: &Context,
    ) -> Result<(pb::Action, Vec<pb::PrivateText>), Failure> {
        let given = self.given.reveal();
        let malformed =
            |field: &str| Failure::usage(field, "this flag cannot be read", "该选项无法识别");
        let mut message =
            DynamicMessage::new(self.known.message().ok_or_else(|| malformed("action"))?);
        let mut input_used = false;
        for field in self.known.asked() {
            if let Some(value) = self.value(field, given, context, &mut input_used)? {
                message
                    .try_set_field(&field.descriptor, value)
                    .map_err(|_| malformed(&field.path))?;
            }
        }
        let action = self
            .known
            .wrap(message)
            .ok_or_else(|| malformed("action"))?;
        let mut further = Vec::new();
        for text in given
            .get_many::<Private<String>>(FURTHER)
            .into_iter()
            .flatten()
        {
            let (role, text) = split_role(text.reveal());
            further.push(pb::PrivateText {
                role: role.to_owned(),
                text: read_text(context, role, text, &mut input_used)?,
            });
        }
        Ok((action, further))
    }

    fn value(
        &self,
        field: &'static Field,
        given: &ArgMatches,
        context: &Context,
        input_used: &mut bool,
    ) -> Result<Option<Value>, Failure> {
        let id = field.path.as_str();
        let word = |id: &str| given.get_one::<String>(id).cloned();
        Ok(match field.holds() {
            Holds::Requester => person(field, given),
            Holds::Moment => given
                .get_one::<fengqiao_hub::clock::Moment>(id)
                .map(|moment| Value::I64(moment.0)),
            Holds::Flag => word(id).map(|word| Value::Bool(word == "yes")),
            Holds::Number => given.get_one::<u32>(id).map(|number| Value::U32(*number)),
            Holds::Choice(choices) => word(id).and_then(|word| {
                let choice = choices.into_iter().find(|choice| choice.word == word)?;
                Some(Value::EnumNumber(choice.number))
            }),
            Holds::Text if !field.rule.sealed.is_empty() => {
                match given.get_one::<Private<String>>(id) {
                    Some(text) => {
                        let text = read_text(context, id, text.reveal(), input_used)?;
                        Some(Value::String(text))
                    }
                    None => None,
                }
            }
            Holds::Text if field.is_list() => given
                .get_many::<String>(id)
                .map(|texts| Value::List(texts.cloned().map(Value::String).collect())),
            Holds::Text => word(id).map(Value::String),
            Holds::Group => match given.get_many::<String>(id) {
                Some(texts) => {
                    let groups: Result<Vec<Value>, Failure> =
                        texts.map(|text| group(field, text)).collect();
                    Some(Value::List(groups?))
                }
                None => None,
            },
        })
    }
}

fn person(field: &Field, given: &ArgMatches) -> Option<Value> {
    let Kind::Message(kind) = field.descriptor.kind() else {
        return None;
    };
    let mut person = DynamicMessage::new(kind);
    let mut anybody = false;
    for (name, _) in PERSON {
        if let Some(text) = given.get_one::<Private<String>>(name) {
            person.set_field_by_name(name, Value::String(text.reveal().clone()));
            anybody = true;
        }
    }
    anybody.then_some(Value::Message(person))
}

/// Reads `place=NAME,due=TIME`: the keys are the fields of the group.
fn group(field: &'static Field, text: &str) -> Result<Value, Failure> {
    let refused = |why: String| Failure::usage(&field.path, why, "格式应为：键=值,键=值");
    let Kind::Message(kind) = field.descriptor.kind() else {
        return Err(refused("it holds no fields".to_owned()));
    };
    let asked = || field.fields.iter().filter(|inner| !inner.rule.written);
    let keys = asked().fold(String::new(), |mut keys, inner| {
        let _ = write!(
            keys,
            "{}{}=…",
            if keys.is_empty() { "" } else { "," },
            flag(inner)
        );
        keys
    });
    let mut message = DynamicMessage::new(kind);
    for part in text.split(',') {
        let (key, value) = part.split_once('=').ok_or_else(|| refused(keys.clone()))?;
        let inner = asked()
            .find(|inner| flag(inner) == key.trim())
            .ok_or_else(|| refused(format!("the keys are {keys}")))?;
        let value = if matches!(inner.holds(), Holds::Moment) {
            let moment = parse_time(value.trim()).map_err(&refused)?;
            Value::I64(moment.0)
        } else {
            Value::String(value.trim().to_owned())
        };
        message.set_field(&inner.descriptor, value);
    }
    for inner in asked().filter(|inner| inner.rule.required) {
        if !message.has_field(&inner.descriptor) {
            return Err(refused(format!("{} is missing: {keys}", flag(inner))));
        }
    }
    Ok(Value::Message(message))
}
