//! Refusals: what a person or program is told when a move is not made. Each has a stable code and words in two languages.

/// A refusal. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was refused.
    pub code: Code,
    /// Field of the request it is about, or empty.
    pub field: &'static str,
    /// A detail that holds no personal data: a limit, a state, a name of a unit.
    pub detail: String,
    /// What may have been meant: names of places, units, classes or accounts.
    pub choices: Vec<String>,
}

impl Refusal {
    /// A refusal about one field.
    #[must_use]
    pub fn of(code: Code, field: &'static str) -> Self {
        Self {
            code,
            field,
            detail: String::new(),
            choices: Vec::new(),
        }
    }

    /// The same with a detail.
    #[must_use]
    pub fn because(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// The same with what may have been meant.
    #[must_use]
    pub fn with_choices(mut self, choices: Vec<String>) -> Self {
        self.choices = choices;
        self
    }

    /// Words for a person, Chinese.
    #[must_use]
    pub fn chinese(&self) -> String {
        let mut words = self.worded(self.code.words().0, "：");
        if !self.choices.is_empty() {
            let choices = self.choices.join("、");
            words.push_str(&if self.code == Code::NameAmbiguous {
                format!("：{choices}")
            } else {
                format!("；是不是 {choices}？")
            });
        }
        words
    }

    /// Words for a person, English.
    #[must_use]
    pub fn english(&self) -> String {
        let mut words = self.worded(self.code.words().1, ": ");
        if !self.choices.is_empty() {
            let choices = self.choices.join(", ");
            words.push_str(&if self.code == Code::NameAmbiguous {
                format!(": {choices}")
            } else {
                format!("; did you mean {choices}?")
            });
        }
        words
    }

    fn worded(&self, words: &str, colon: &str) -> String {
        if self.detail.is_empty() {
            words.to_owned()
        } else {
            format!("{words}{colon}{}", self.detail)
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.english())
    }
}

impl std::error::Error for Refusal {}

/// How a refusal is to be taken by a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The request itself is wrong.
    Invalid,
    /// What it names does not exist.
    NotFound,
    /// The case's state forbids it now.
    State,
    /// The person may not.
    Forbidden,
    /// Later it may pass.
    TryAgain,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $class:ident, $chinese:literal, $english:literal;)*) => {
        /// Stable codes of refusals.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code as it is printed and sent.
            #[must_use]
            pub fn as_str(self) -> &'static str { match self { $(Self::$name => $text,)* } }

            /// How a program takes it.
            #[must_use]
            pub fn class(self) -> Class { match self { $(Self::$name => Class::$class,)* } }

            fn words(self) -> (&'static str, &'static str) { match self { $(Self::$name => ($chinese, $english),)* } }
        }
    };
}

codes! {
    /// A required field is empty.
    Empty = "FIELD_EMPTY", Invalid, "此项必填", "this field must not be empty";
    /// A field is longer than its limit.
    TooLong = "FIELD_TOO_LONG", Invalid, "超出长度限制", "longer than its limit";
    /// A field holds control characters.
    ControlCharacter = "CONTROL_CHARACTER", Invalid, "含有控制字符", "holds control characters";
    /// A name holds a character that shows nothing, or that turns what follows.
    InvisibleCharacter = "INVISIBLE_CHARACTER", Invalid, "含有不可见字符或方向控制字符，请删除后重新输入", "holds an invisible or direction character; delete it and type the name anew";
    /// A spreadsheet program wrote a number in scientific notation.
    ScientificNotation = "SCIENTIFIC_NOTATION", Invalid, "数字已被表格软件改成科学计数法，请把该列设为文本后重新填写", "a spreadsheet wrote the digits in scientific notation; make the column text and enter them anew";
    /// A spreadsheet program kept fifteen digits of a longer number.
    DigitsLost = "DIGITS_LOST", Invalid, "末尾数字已被表格软件改为零，请把该列设为文本后重新填写", "a spreadsheet replaced the last digits by zeros; make the column text and enter them anew";
    /// Not a telephone number.
    TelephoneMalformed = "TELEPHONE_MALFORMED", Invalid, "不是电话号码，应如", "not a telephone number; write it as";
    /// Not a resident identity number.
    IdentityNumberMalformed = "IDENTITY_NUMBER_MALFORMED", Invalid, "不是有效的居民身份证号码，应为", "not a resident identity number; its form is";
    /// A time before 1990.
    TimeTooOld = "TIME_TOO_OLD", Invalid, "时间过早，不得早于", "the time is too old; it lies before";
    /// A time that has not come.
    TimeInFuture = "TIME_IN_FUTURE", Invalid, "时间尚未到来，请核对日期和本机时钟", "the time lies in the future; check the date and the clock of this machine";
    /// A value is outside its range.
    OutOfRange = "OUT_OF_RANGE", Invalid, "数值超出范围", "outside its range";
    /// An id, code or hash is malformed.
    Malformed = "MALFORMED", Invalid, "格式不正确", "malformed";
    /// A due time lies before its start.
    DueBeforeStart = "DUE_BEFORE_START", Invalid, "办理期限早于起算时间", "the due time lies before its start";
    /// A due time beyond that of the superior's dispatch.
    DueBeyondSuperior = "DUE_BEYOND_SUPERIOR", Invalid, "晚于上级交办期限，请改在此期限之内", "later than the superior's due time; set one before it";
    /// The same thing is named twice.
    NamedTwice = "NAMED_TWICE", Invalid, "重复填写，请删去其一", "named twice; leave one out";
    /// The catalogue has no such class.
    ClassUnknown = "CLASS_UNKNOWN", Invalid, "派单目录中没有此类别", "the catalogue has no such class";
    /// Other classes belong to it: one of those is meant.
    ClassTooBroad = "CLASS_TOO_BROAD", Invalid, "此为大类，请选其下的小类", "a class with sub-items takes no cases; choose one of them";
    /// No rule limits the step.
    NoLimit = "NO_LIMIT", State, "规则未规定此环节的时限", "no rule limits this step";
    /// The rule of the class grants no extension.
    ExtensionNotAllowed = "EXTENSION_NOT_ALLOWED", State, "此类别不得延期", "the rule of this class grants no extension";
    /// A due time set by hand lies too far away.
    DueTooLate = "DUE_TOO_LATE", Invalid, "办理期限过远，最晚为", "the due time lies too far away; the latest is";
    /// A number of a case whose check character does not fit.
    NumberCheck = "NUMBER_CHECK", Invalid, "编号校验位不符，请逐位核对", "the check character of the number does not fit; compare it character by character";
    /// The case is of this class already.
    ClassUnchanged = "CLASS_UNCHANGED", Invalid, "已是此类别", "the case is of this class already";
    /// No rules have come from above yet.
    RulebookAwaited = "RULEBOOK_AWAITED", TryAgain, "尚未收到上级下发的规则包", "the rulebook has not come from above yet";
    /// No such bundle.
    BundleUnknown = "BUNDLE_UNKNOWN", NotFound, "没有此规则包", "no such bundle";
    /// A bundle is not sound.
    BundleUnsound = "BUNDLE_UNSOUND", Invalid, "规则包有误，请用 fengqiao bundle check 逐项核对", "the bundle is not sound; `fengqiao bundle check` says all that is wrong";
    /// A bundle would be effective too early.
    BundleTooEarly = "BUNDLE_TOO_EARLY", Invalid, "生效时间不得早于现在，也不得早于上一规则包，最早为", "a bundle is effective neither in the past nor before the one that came before it; the earliest is";
    /// A bundle says nothing new.
    BundleUnchanged = "BUNDLE_UNCHANGED", State, "与现行规则包相同", "these files are in force already";
    /// No such case.
    CaseUnknown = "CASE_UNKNOWN", NotFound, "没有此诉求", "no such case";
    /// Two cases bear the number.
    NumberTwice = "NUMBER_TWICE", State, "此编号对应两件诉求，请用案件标识", "two cases bear this number; name the case by its id";
    /// No such unit in this centre.
    UnitUnknown = "UNIT_UNKNOWN", NotFound, "本中心没有此单位", "this centre has no such unit";
    /// The unit has ended.
    UnitEnded = "UNIT_ENDED", State, "该单位已撤销，请改选其他单位", "the unit has ended; name another one";
    /// The unit still has accounts or a node.
    UnitInUse = "UNIT_IN_USE", State, "该单位名下还有账号或节点，请先停用账号或调整其所属单位、吊销节点", "the unit still has accounts or a node; close them or give them another unit, revoke the node";
    /// No such place below this one.
    PlaceUnknown = "PLACE_UNKNOWN", NotFound, "下级没有此地区", "no such place below this one";
    /// More than one place, unit or class bears the name.
    NameAmbiguous = "NAME_AMBIGUOUS", State, "同名的不止一个，请改用代码或标识", "more than one bears this name; give the code or the id";
    /// The place has ended.
    PlaceEnded = "PLACE_ENDED", State, "本地区已撤并，诉求由承接地区登记", "this place has ended; its successor registers cases";
    /// A row names a place that has ended.
    DivisionEnded = "DIVISION_ENDED", State, "该地区已撤并，不再恢复，承接地区为", "the place has ended and is not revived; its successor is";
    /// A row names a place that stands below another one.
    DivisionElsewhere = "DIVISION_ELSEWHERE", State, "该地区现隶属其他上级，不再重复增加，上级为", "the place stands below another one and is not made twice; its parent is";
    /// A place stands with another level.
    LevelDiffers = "LEVEL_DIFFERS", State, "与已有地区的层级不同，层级不能改变；已有", "another level than the place has, and a level cannot change; there stands";
    /// Places stand below it.
    PlaceHasChildren = "PLACE_HAS_CHILDREN", State, "其下仍有地区，须先撤并", "places stand below it; end them first";
    /// A place on the way of the case was moved; the common superior's act brings the case on its new way.
    MoveAwaited = "MOVE_AWAITED", State, "地区隶属已调整，须待共同上级移转此诉求", "a place on its way has moved; the common superior has yet to pass the case on";
    /// No such annex entry.
    AnnexUnknown = "ANNEX_UNKNOWN", NotFound, "附卷中没有此记录", "no such annex entry";
    /// No such task.
    TaskUnknown = "TASK_UNKNOWN", NotFound, "没有此任务", "no such task";
    /// No such directive.
    DirectiveUnknown = "DIRECTIVE_UNKNOWN", NotFound, "没有此指令", "no such directive";
    /// No such node.
    NodeUnknown = "NODE_UNKNOWN", NotFound, "没有此节点", "no such node";
    /// The person does not have the role.
    RoleMissing = "ROLE_MISSING", Forbidden, "没有相应角色权限", "the role for this is missing";
    /// The person's unit does not handle the case.
    NotHandler = "NOT_HANDLER", Forbidden, "不是本件承办单位", "the unit does not handle this case";
    /// Only the centre's own staff may.
    NotCentreStaff = "NOT_CENTRE_STAFF", Forbidden, "须由中心工作人员办理，承办单位人员不得办理", "only the centre's own staff may do this, no unit's";
    /// Who had a hand in the work does not judge it.
    OwnWork = "OWN_WORK", Forbidden, "本人参与过该件办理，须由他人回访、评价、办结", "you had a hand in this case; another person visits, rates and closes it";
    /// A verdict that the requester does not bear out needs a second person.
    SecondPersonNeeded = "SECOND_PERSON_NEEDED", Forbidden, "诉求人未表示满意，须由回访人以外的人说明理由后办结", "the requester is not satisfied; somebody other than the visitor closes it as solved, with a reason";
    /// The same person may not do both.
    SamePerson = "SAME_PERSON", Forbidden, "拟稿人不得自行审核", "who drafted a reply cannot approve it";
    /// Nobody is signed in.
    NotSignedIn = "NOT_SIGNED_IN", Forbidden, "未登录，或访问令牌已失效；请在请求头 authorization 中写 Bearer 加访问令牌，令牌由 fengqiao account token rotate 给出", "not signed in, or the token is good no more: send the header `authorization: Bearer TOKEN` with the token that `fengqiao account token rotate` gives";
    /// No such account.
    AccountUnknown = "ACCOUNT_UNKNOWN", NotFound, "没有此账号", "no such account";
    /// The account is closed.
    AccountClosed = "ACCOUNT_CLOSED", State, "账号已停用，请先用 account reopen 重新启用", "the account is closed; open it again with account reopen";
    /// Nobody else could open accounts any more.
    LastAdministrator = "LAST_ADMINISTRATOR", State, "这是唯一有效的管理员账号，请先另设管理员", "this is the only open administrator account; open another one first";
    /// The state of the case forbids the move.
    StageForbids = "STAGE_FORBIDS", State, "当前阶段不能进行此操作", "the stage of the case does not allow this";
    /// Another centre is custodian.
    NotCustodian = "NOT_CUSTODIAN", State, "本中心不是当前责任单位", "this centre is not custodian of the case";
    /// The case is closed.
    CaseClosed = "CASE_CLOSED", State, "已办结", "the case is closed";
    /// The chain is frozen.
    Frozen = "CHAIN_FROZEN", State, "存在两份冲突记录，已冻结，需上级收件", "two records stand at one place; a superior must take the case";
    /// Earlier entries are awaited and this act needs them.
    EarlierAwaited = "EARLIER_AWAITED", State, "尚缺较早的记录", "earlier entries are awaited";
    /// A decline after a dispatch.
    AlreadyDispatched = "ALREADY_DISPATCHED", State, "已派单，不得再作不予受理", "after a dispatch a case can no longer be declined";
    /// The unit was designated and cannot return the case.
    Designated = "DESIGNATED", State, "指定承办，不得退回", "a designated unit cannot return the case";
    /// Returned too often.
    BounceLimit = "BOUNCE_LIMIT", State, "退回次数已达上限，须指定承办", "returned as often as allowed; a unit must be designated";
    /// Too late to return.
    ReturnLate = "RETURN_LATE", State, "超过退回时限", "too late to return";
    /// The class is not to be pushed so low.
    DutyNotBelow = "DUTY_NOT_BELOW", State, "该类事项不得下派至此层级", "a case of this class is not dispatched to so low a tier";
    /// An offer is open already.
    OfferOpen = "OFFER_OPEN", State, "已上报，等待上级答复", "an offer to the parent is open";
    /// No offer is open.
    NoOffer = "NO_OFFER", State, "没有待答复的上报", "no offer is open";
    /// There is no tier above.
    NoParent = "NO_PARENT", State, "没有上级", "there is no tier above";
    /// The case was not dispatched from above.
    NotDispatchedDown = "NOT_DISPATCHED_DOWN", State, "不是上级交办件", "the case was not dispatched from above";
    /// The case was dispatched from above and must be replied to there.
    ReplyOwed = "REPLY_OWED", State, "上级交办件须回复上级，不得自行办结", "a case dispatched from above is replied to, not closed here";
    /// The taker does not stand above the custodian.
    NotAbove = "NOT_ABOVE", State, "不是当前责任单位的上级", "this centre does not stand above the custodian";
    /// What the first place wrote twice is its own to take only in a new generation.
    RootKeyNeeded = "ROOT_KEY_NEEDED", State, "本级记录自相冲突，须先由根密钥启用新的代次", "the first place takes what it wrote twice itself only after `root renew` by the root key";
    /// Taken unasked too often.
    TakenTooOften = "TAKEN_TOO_OFTEN", State, "24 小时内已主动收件一次", "taken unasked within the last 24 hours";
    /// The clocks below are not red past their grace.
    NotOverdue = "NOT_OVERDUE", State, "尚未超期或仍在宽限期内，不能以超期为由接办", "no clock below is red past its grace; take it by a decision, or wait";
    /// The node below was heard from.
    NotDark = "NOT_DARK", State, "下级节点未失联，不能以失联为由接办", "the node below is not dark; take it by a decision";
    /// The place has no machine that could keep the case.
    PlaceWithoutNode = "PLACE_WITHOUT_NODE", State, "该地区没有节点，请先邀请其加入，或由上级节点代为承载", "the place has no node; invite one, or host it on its centre's machine";
    /// After the returns are used up, a leader designates.
    DesignationNeeded = "DESIGNATION_NEEDED", State, "退回次数已用完，须由领导指定承办", "returned as often as allowed; a leader has to designate the next receiver";
    /// Only the dispatcher decides a return or a reply.
    NotDispatcher = "NOT_DISPATCHER", State, "须由派单中心认定，本中心只能接收后转交", "the centre that dispatched it decides; take it and pass it on";
    /// A return is only passed on to its dispatcher.
    ReturnPasses = "RETURN_PASSES", State, "该件正在退回派单中心，请转交退回", "the case is on its way back to its dispatcher; return it";
    /// A case is rated once.
    AlreadyRated = "ALREADY_RATED", State, "已评价，不能重复评价", "rated already";
    /// A dissatisfied requester with a reasonable demand.
    RedoOwed = "REDO_OWED", State, "诉求合理且诉求人不满意，须重办，或由领导说明理由后不予重办", "a reasonable demand and a dissatisfied requester: order a redo, or a leader refuses it with a reason";
    /// No redo is owed.
    NoRedoOwed = "NO_REDO_OWED", State, "没有须重办的情形", "no redo is owed";
    /// Solved needs a satisfied requester or a reason.
    SatisfactionNeeded = "SATISFACTION_NEEDED", State, "未回访到满意的诉求人，以“已解决”办结须说明理由", "no satisfied requester was reached; give a reason to close as solved";
    /// Annex entries await a decision.
    AnnexOpen = "ANNEX_OPEN", State, "附卷尚有未处理记录", "annex entries have not been adopted or declined";
    /// The annex entry was decided already.
    AnnexDecided = "ANNEX_DECIDED", State, "该附卷记录已处理", "the annex entry has been decided";
    /// A convened task is open.
    TaskOpen = "TASK_OPEN", State, "尚有未完成的会办任务", "a convened task is still open";
    /// A request id was used for something else.
    RequestReused = "REQUEST_REUSED", Invalid, "请求编号已用于其他内容", "the request id was used with other content";
    /// A row of a table has the key of one that was registered with other content.
    RowDiffers = "ROW_DIFFERS", Invalid, "同一唯一键此前已登记，内容与本行不同，未作改动（如为另一批，请加 --key-prefix）；已登记的编号为", "the key was registered before with other content, which stays (if this is another series, give --key-prefix); its number is";
    /// A place or unit with the same code or name stands already.
    NameTaken = "NAME_TAKEN", State, "名称或代码已存在", "the name or code is in use";
    /// The place has a node.
    PlaceHasNode = "PLACE_HAS_NODE", State, "该地区已有节点；若原机器已丢失，请用 --successor", "the place has a node; if that machine is lost, invite with --successor";
    /// No open invitation of that id.
    InvitationUnknown = "INVITATION_UNKNOWN", NotFound, "没有此邀请，或已使用、已撤回；请执行 fengqiao invitation list 查看", "no open invitation of that id: it was used, withdrawn, or never made; see `fengqiao invitation list`";
    /// The node takes no writes: its disk is nearly full.
    ReadOnly = "READ_ONLY", TryAgain, "磁盘空间不足，暂停写入", "the disk is nearly full; writing has stopped";
    /// The node was revoked.
    NodeRevoked = "NODE_REVOKED", State, "本节点已被吊销，不得再写入；请联系上级", "this node is revoked and writes nothing any more; ask the upper centre";
    /// The folder is an older copy of itself.
    OlderCopy = "OLDER_COPY", State, "本数据目录是旧副本，上下级存有其后的记录；为免同一编号使用两次，恢复（fengqiao recover）之前不得写入", "this data folder is an older copy: a neighbour holds later work of this node, and no number may be used twice; `fengqiao recover` it first";
    /// The node came back after a loss, and a neighbour has not yet said what it holds.
    Recovering = "RECOVERING", TryAgain, "正在恢复，须等上下级节点说明其所存", "recovering: a neighbour has not yet said what it holds";
    /// The node is shutting down or overloaded.
    Busy = "BUSY", TryAgain, "系统繁忙，请稍后重试", "busy; try again";
    /// The node failed at it.
    Internal = "INTERNAL", State, "本节点无法完成此操作，未作任何更改，已记入告警；请用 fengqiao status 查看并联系管理员", "this node failed at it; nothing was changed, and an alarm says why: see `fengqiao status`";
    /// Texts cannot be read here.
    TextSealed = "TEXT_SEALED", Forbidden, "本级无权查看正文", "the texts are sealed to this tier";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_is_unique_and_speaks_two_languages() {
        let texts: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for code in Code::ALL {
            let (chinese, english) = code.words();
            assert!(
                !chinese.is_ascii() && english.is_ascii(),
                "{}",
                code.as_str()
            );
        }
    }
}
