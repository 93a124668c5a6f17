//! The moves as subcommands: one a move, with the flags that move needs.

mod parts;

use clap::{Args, Subcommand};
use fengqiao_hub::clock::Moment;
use fengqiao_hub::private::Private;
use fengqiao_proto::v1 as pb;

use crate::cli::words::{
    Channel, EscalationReason, Ground, Outcome, TakingReason, Urgency, Verdict, YesNo, parse_party,
    parse_private, parse_time,
};

/// What every move on a case has.
#[derive(Debug, Args)]
pub(crate) struct Deed {
    /// Number or id of the case
    case: String,
    #[command(flatten)]
    common: Common,
}

/// What every move has.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// A text to keep sealed beside the move: TEXT, or ROLE=TEXT with a role of text, reason, evidence, opinion, reply,
    /// place, answer, minutes, remedy; `-` reads it from the standard input
    #[arg(long = "text", value_name = "[ROLE=]TEXT", value_parser = parse_private)]
    texts: Vec<Private<String>>,
    /// Id of this request: repeated with the same id it happens once; a new one is drawn otherwise
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

/// Arguments of `register`.
#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    /// How it came in
    #[arg(long, value_enum)]
    channel: Channel,
    /// Class of the dispatch catalogue, as urban-roads
    #[arg(long)]
    class: String,
    /// How pressing it is
    #[arg(long, value_enum, default_value_t = Urgency::Ordinary)]
    urgency: Urgency,
    /// Number of another platform, at most 64 characters
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "",
        hide_default_value = true
    )]
    external_number: String,
    /// When the resident brought it, RFC 3339; now if left out
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    received: Option<Moment>,
    /// Name of who asks, kept sealed; left out when anonymous
    #[arg(long, value_parser = parse_private)]
    name: Option<Private<String>>,
    /// Telephone number of who asks, kept sealed
    #[arg(long, value_parser = parse_private)]
    phone: Option<Private<String>>,
    /// Exact address of who asks, kept sealed
    #[arg(long, value_parser = parse_private)]
    address: Option<Private<String>>,
    /// Where it is, kept sealed
    #[arg(long = "where", value_name = "TEXT", value_parser = parse_private)]
    place: Option<Private<String>>,
    #[command(flatten)]
    common: Common,
}

/// Arguments of `dispatch`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("to").required(true))]
pub(crate) struct DispatchArgs {
    #[command(flatten)]
    deed: Deed,
    /// Unit of this centre that leads: id or name
    #[arg(long, value_name = "UNIT", group = "to")]
    lead: Option<String>,
    /// Centre below that becomes custodian: id, code or name
    #[arg(long, value_name = "PLACE", group = "to")]
    place: Option<String>,
    /// Unit of this centre that co-handles; may be repeated
    #[arg(long = "co-handler", value_name = "UNIT", conflicts_with = "place")]
    co_handlers: Vec<String>,
    /// When it is due, RFC 3339; computed from the class's clock if left out
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    due: Option<Moment>,
}

/// A move on a case, or its registration.
#[derive(Debug, Subcommand)]
pub(crate) enum MoveCommand {
    /// Take a case in: it gets its number, the resident a secret code (登记)
    Register(RegisterArgs),
    /// Take the case on (受理)
    Accept(Deed),
    /// Decline the case on a ground, and tell the right way (不予受理)
    Decline {
        #[command(flatten)]
        deed: Deed,
        /// Ground
        #[arg(long, value_enum)]
        ground: Ground,
        /// The right way the resident is told
        #[arg(long, value_name = "TEXT", value_parser = parse_private)]
        reason: Private<String>,
    },
    /// Answer at the first contact (即时答复)
    AnswerAtOnce {
        #[command(flatten)]
        deed: Deed,
        /// The answer
        #[arg(long, value_name = "TEXT", value_parser = parse_private)]
        answer: Private<String>,
    },
    /// Dispatch to a unit of this centre or to a centre below (派单)
    Dispatch(DispatchArgs),
    /// Sign for a case dispatched to us (签收)
    SignFor(Deed),
    /// Object as the lead unit: not ours (派单异议)
    Object {
        #[command(flatten)]
        deed: Deed,
        /// Why it is not ours
        #[arg(long, value_name = "TEXT", value_parser = parse_private)]
        reason: Private<String>,
        /// Unit that should have it: id or name
        #[arg(
            long,
            value_name = "UNIT",
            default_value = "",
            hide_default_value = true
        )]
        proposed_unit: String,
    },
    /// Decide an objection (异议裁定)
    DecideObjection {
        #[command(flatten)]
        deed: Deed,
        /// What becomes of it
        #[arg(long, value_enum)]
        verdict: Verdict,
    },
    /// Designate a unit, which cannot object (指定承办)
    Designate {
        #[command(flatten)]
        deed: Deed,
        /// Unit of this centre: id or name
        #[arg(long)]
        unit: String,
        /// When it is due, RFC 3339; computed if left out
        #[arg(long, value_name = "TIME", value_parser = parse_time)]
        due: Option<Moment>,
    },
    /// Return a case to the centre above that dispatched it: not ours (退回)
    Return {
        #[command(flatten)]
        deed: Deed,
        /// Why it is not ours
        #[arg(long, value_name = "TEXT", value_parser = parse_private)]
        reason: Private<String>,
        /// Place that should have it: id, code or name
        #[arg(
            long,
            value_name = "PLACE",
            default_value = "",
            hide_default_value = true
        )]
        proposed_place: String,
    },
    /// Record that the requester was contacted (联系诉求人)
    Contact {
        #[command(flatten)]
        deed: Deed,
        /// Whether the requester was reached
        #[arg(long, value_enum)]
        reached: YesNo,
    },
    /// Record what was done (办理措施)
    TakeAction {
        #[command(flatten)]
        deed: Deed,
        /// What was done, with its evidence
        #[arg(long, value_name = "TEXT", value_parser = parse_private)]
        evidence: Private<String>,
    },
    /// Report before the end, with --text (阶段性报告)
    ReportInterim(Deed),
    /// Draft the reply (拟写回复)
    DraftReply {
        #[command(flatten)]
        deed: Deed,
        /// The reply
        #[arg(long, value_name = "TEXT", value_parser = parse_private)]
        reply: Private<String>,
        /// Whether the demand is reasonable in your view
        #[arg(long, value_enum)]
        reasonable: YesNo,
    },
    /// Approve the draft: another person than who drafted it (领导把关)
    ApproveReply(Deed),
    /// Send the draft back (退回修改)
    SendBackReply {
        #[command(flatten)]
        deed: Deed,
        /// What is missing
        #[arg(long, value_name = "TEXT", value_parser = parse_private)]
        reason: Private<String>,
    },
    /// Let the approved reply leave (回复)
    SendReply(Deed),
    /// Push the case up to the centre above (上报、提级办理)
    Escalate {
        #[command(flatten)]
        deed: Deed,
        /// What kind of case it is
        #[arg(long, value_enum, value_name = "KIND")]
        because: EscalationReason,
        /// Why it cannot be settled here
        #[arg(long, value_name = "TEXT", value_parser = parse_private)]
        reason: Private<String>,
    },
    /// Answer an offer from below: it stays there, with an opinion (留在下级办理)
    KeepBelow {
        #[command(flatten)]
        deed: Deed,
        /// The opinion
        #[arg(long, value_name = "TEXT", value_parser = parse_private)]
        opinion: Private<String>,
    },
    /// Take a case from below, offered or not (收件)
    Take {
        #[command(flatten)]
        deed: Deed,
        /// On what occasion
        #[arg(long, value_enum, value_name = "KIND", default_value_t = TakingReason::Offered)]
        because: TakingReason,
        /// Why
        #[arg(long, value_name = "TEXT", value_parser = parse_private)]
        reason: Private<String>,
    },
    /// Record a decision on the case, with --text (批示)
    Decide(Deed),
    /// Convene units here and centres below, each with a task (一方召集、多方联动)
    Convene {
        #[command(flatten)]
        deed: Deed,
        /// When they meet, RFC 3339
        #[arg(long, value_name = "TIME", value_parser = parse_time)]
        meeting: Moment,
        /// A party and when its task is due: place=NAME,due=TIME or unit=NAME,due=TIME; repeat it, at most 32
        #[arg(long = "party", value_name = "PARTY", required = true, value_parser = parse_party)]
        parties: Vec<pb::Party>,
    },
    /// Acknowledge a task we were convened for (签收任务)
    AcknowledgeTask {
        #[command(flatten)]
        deed: Deed,
        /// Number of the task
        #[arg(long)]
        task: u32,
    },
    /// Report on a task we were convened for (任务反馈)
    ReportTask {
        #[command(flatten)]
        deed: Deed,
        /// Number of the task
        #[arg(long)]
        task: u32,
        /// Whether it is done
        #[arg(long, value_enum)]
        done: YesNo,
        /// What was done, with its evidence
        #[arg(long, value_name = "TEXT", value_parser = parse_private)]
        evidence: Private<String>,
    },
    /// Record work on site (现场办公)
    WorkOnSite {
        #[command(flatten)]
        deed: Deed,
        /// When, RFC 3339; now if left out
        #[arg(long, value_name = "TIME", value_parser = parse_time)]
        worked: Option<Moment>,
        /// Who did what, with its evidence
        #[arg(long, value_name = "TEXT", value_parser = parse_private)]
        evidence: Private<String>,
        /// Where
        #[arg(long = "where", value_name = "TEXT", value_parser = parse_private)]
        place: Option<Private<String>>,
    },
    /// Record that the requester was asked after the reply (回访)
    ReturnVisit {
        #[command(flatten)]
        deed: Deed,
        /// Whether the requester was reached
        #[arg(long, value_enum)]
        reached: YesNo,
        /// Whether the demand is reasonable in your view
        #[arg(long, value_enum)]
        reasonable: YesNo,
    },
    /// Record the requester's rating (群众评价)
    Rate {
        #[command(flatten)]
        deed: Deed,
        /// 1 very dissatisfied to 5 very satisfied
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=5))]
        score: u32,
    },
    /// Have the work done again (重办)
    OrderRedo {
        #[command(flatten)]
        deed: Deed,
        /// Why
        #[arg(long, value_name = "TEXT", value_parser = parse_private)]
        reason: Private<String>,
    },
    /// Close the case with its outcome (办结)
    Close {
        #[command(flatten)]
        deed: Deed,
        /// How it ended
        #[arg(long, value_enum)]
        outcome: Outcome,
    },
    /// Adopt an entry of the annex (采纳附卷)
    AdoptAnnex {
        #[command(flatten)]
        deed: Deed,
        /// Hash of the entry, at least its first 8 digits
        #[arg(long, value_name = "HASH")]
        entry: String,
    },
    /// Decline an entry of the annex (不采纳附卷)
    DeclineAnnex {
        #[command(flatten)]
        deed: Deed,
        /// Hash of the entry, at least its first 8 digits
        #[arg(long, value_name = "HASH")]
        entry: String,
        /// Why
        #[arg(long, value_name = "TEXT", value_parser = parse_private)]
        reason: Private<String>,
    },
    /// Add what is known, with --text; the case does not move (补充)
    Supplement(Deed),
}
