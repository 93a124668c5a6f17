//! Why a deployment was not made, a join or a renewal not done.

use thiserror::Error;

use super::EnrolRefusal;
use super::verdict::AnswerError;
use crate::dial::{Unreached, Why};
use crate::folder::FolderError;
use crate::trust::authority::AuthorityError;
use crate::trust::invitation::InvitationError;
use crate::trust::tls::TlsError;
use crate::trust::{Code, RandomUnavailable};

/// Try again later: BSD's `EX_TEMPFAIL`.
const EXIT_TRY_AGAIN: u8 = 75;
/// The command was used wrongly: BSD's `EX_USAGE`.
const EXIT_USAGE: u8 = 64;

/// Why it did not come to be. No data folder was made or changed.
#[derive(Debug, Error)]
pub enum EnrolmentError {
    /// The invitation cannot be read.
    #[error("the invitation")]
    Token(#[source] InvitationError),
    /// A field of the first place.
    #[error("{field}: {reason}")]
    Option {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
        /// The same in Chinese.
        chinese: &'static str,
    },
    /// Not `host:port`.
    #[error("the address is not host:port")]
    Address,
    /// The data folder.
    #[error("the data folder")]
    Folder(#[from] FolderError),
    /// The folder was restored from a backup of something else than the invitation is for.
    #[error(
        "the backup restored here is of another {0} than the invitation is for; nothing was sent"
    )]
    OtherBackup(&'static str),
    /// The other end is not reached, or the connection broke before an answer came.
    #[error(transparent)]
    Unreachable(Unreached),
    /// A node's link port, where its enrol port was to be.
    #[error(
        "{address} is a link port; joins go to the enrol port of the same node, 7444 unless it was set otherwise"
    )]
    LinkPort {
        /// Where it listens.
        address: String,
    },
    /// The other end is not who it should be, or refuses this node's
    /// certificate. The secret of an invitation was not sent.
    #[error("{}", .0.english())]
    Handshake(Code),
    /// The other end refuses.
    #[error("{}", .0.english)]
    Refused(EnrolRefusal),
    /// The other end fails in a way this version does not know.
    #[error("the upper centre answered: {0}")]
    Failed(String),
    /// The answer does not hold together.
    #[error("the answer of the upper centre")]
    Answer(#[from] AnswerError),
    /// This node cannot issue or ask.
    #[error("the certificate")]
    Authority(#[from] AuthorityError),
    /// TLS cannot be set up.
    #[error("TLS")]
    Tls(#[from] TlsError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
}

impl EnrolmentError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Token(_) => Code::TokenMalformed.as_str(),
            Self::Option { .. } => "ENROL_OPTION",
            Self::Address => "ENROL_ADDRESS",
            Self::OtherBackup(_) => "RECOVER_OTHER_BACKUP",
            Self::Folder(error) => error.code(),
            Self::Unreachable(_) => "ENROL_UNREACHABLE",
            Self::LinkPort { .. } => "ENROL_LINK_PORT",
            Self::Handshake(code) => code.as_str(),
            Self::Refused(refusal) => refusal.code,
            Self::Failed(_) => "ENROL_FAILED",
            Self::Answer(_) => "ENROL_ANSWER",
            Self::Authority(_) | Self::Tls(_) => "ENROL_CERTIFICATE",
            Self::Random(_) => Code::TryAgain.as_str(),
        }
    }

    /// What to tell a person, in Chinese; the English words are its `Display`
    /// and its sources.
    pub fn chinese(&self) -> String {
        match self {
            Self::Token(error) => format!(
                "{}（{}）",
                Code::TokenMalformed.chinese(),
                token_part(error)
            ),
            Self::Option { chinese, .. } => (*chinese).to_owned(),
            Self::Address => "地址应为“主机名:端口”。".to_owned(),
            Self::Folder(error) => error.chinese(),
            Self::OtherBackup(_) => {
                "此处恢复的备份与邀请码不属于同一地区或系统，未发送任何内容。".to_owned()
            }
            Self::Unreachable(unreached) => {
                format!("{}，请检查网络和地址后重试。", unreached.chinese())
            }
            Self::LinkPort { address } => {
                format!(
                    "{address} 是对方的链路端口；接入请用同一节点的接入端口，未另行设置时为 7444。"
                )
            }
            Self::Handshake(code) => code.chinese().to_owned(),
            Self::Refused(refusal) => refusal.chinese.to_owned(),
            Self::Failed(_) => "上级中心返回了本版本无法识别的错误。".to_owned(),
            Self::Answer(_) => "上级中心的答复前后不一致，未保存任何内容。".to_owned(),
            Self::Authority(_) | Self::Tls(_) => "证书无法制作或使用。".to_owned(),
            Self::Random(_) => Code::TryAgain.chinese().to_owned(),
        }
    }

    /// The exit code of a command that ends with it: 64 for what was typed, 75
    /// where trying again may help, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Token(_) | Self::Option { .. } | Self::Address | Self::LinkPort { .. } => {
                EXIT_USAGE
            }
            Self::Folder(
                FolderError::Exists { .. }
                | FolderError::Name { .. }
                | FolderError::PathTooLong { .. },
            ) => EXIT_USAGE,
            Self::Unreachable(_) | Self::Random(_) => EXIT_TRY_AGAIN,
            Self::Refused(refusal)
                if *refusal == EnrolRefusal::RATE || refusal.code == Code::TryAgain.as_str() =>
            {
                EXIT_TRY_AGAIN
            }
            Self::Folder(_)
            | Self::OtherBackup(_)
            | Self::Handshake(_)
            | Self::Refused(_)
            | Self::Failed(_)
            | Self::Answer(_)
            | Self::Authority(_)
            | Self::Tls(_) => 1,
        }
    }
}

impl From<Unreached> for EnrolmentError {
    fn from(unreached: Unreached) -> Self {
        match unreached.why {
            // Only a link port asks everybody for a certificate.
            Why::Ours(Code::CertificateMissing) => Self::LinkPort {
                address: unreached.address,
            },
            Why::Theirs(code) | Why::Ours(code) => Self::Handshake(code),
            Why::Name
            | Why::Silent
            | Why::NoRoute
            | Why::NobodyListens
            | Why::Broken
            | Why::NotANode => Self::Unreachable(unreached),
        }
    }
}

const fn token_part(error: &InvitationError) -> &'static str {
    match error {
        InvitationError::Prefix => "应以 fq1. 开头",
        InvitationError::Parts(_) => "应有五段",
        InvitationError::Root(_) => "第 2 段：根证书指纹",
        InvitationError::Place(_) => "第 3 段：辖区",
        InvitationError::Id(_) => "第 4 段：编号",
        InvitationError::Secret(_) => "第 5 段：密码",
    }
}
