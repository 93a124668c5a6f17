//! Stable codes for what the trust floor refuses, and words for people.
//!
//! A code never changes its meaning; programs and support desks quote it. The
//! words are for the person who reads them, the error chain is for the log.

use std::fmt;

use super::authority::AuthorityError;
use super::enrol::Refusal;
use super::identity::IdentityError;
use super::invitation::{InvitationError, RedeemError};

macro_rules! codes {
    ($($variant:ident, $code:literal, $chinese:literal, $english:literal;)*) => {
        /// A stable code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $english] $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as it is sent and logged.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// What to tell a person, in Chinese.
            pub const fn chinese(self) -> &'static str {
                match self { $(Self::$variant => $chinese,)* }
            }

            /// What to tell a person, in English.
            pub const fn english(self) -> &'static str {
                match self { $(Self::$variant => $english,)* }
            }
        }
    };
}

codes! {
    TokenMalformed, "TOKEN_MALFORMED", "邀请码不完整或有误，请重新完整复制。", "The invitation is incomplete or mistyped; copy it again as a whole.";
    TokenUnknown, "TOKEN_UNKNOWN", "邀请码无效，请向上级中心索取新的邀请码。", "The invitation is not known here; ask the upper centre for a new one.";
    TokenExpired, "TOKEN_EXPIRED", "邀请码已过期，请向上级中心索取新的邀请码。", "The invitation has expired; ask the upper centre for a new one.";
    TokenUsed, "TOKEN_USED", "邀请码已被使用，请向上级中心索取新的邀请码。", "The invitation was already used; ask the upper centre for a new one.";
    TokenRevoked, "TOKEN_REVOKED", "邀请码已被撤回。", "The invitation was withdrawn.";
    TokenOtherPlace, "TOKEN_OTHER_PLACE", "邀请码属于另一个辖区。", "The invitation is for another place.";
    TokenOtherRoot, "TOKEN_OTHER_ROOT", "对方不属于邀请码所指的系统，未发送任何密钥信息，请核对地址。", "The other side is not of the deployment that invited; no secret was sent. Check the address.";
    TokenOtherParent, "TOKEN_OTHER_PARENT", "对方不是发出邀请的节点，未发送任何密钥信息，请核对地址。", "The other side is not the node that invited; no secret was sent. Check the address.";
    CertificateMissing, "CERT_MISSING", "对方未出示证书。", "No certificate was shown.";
    CertificateRevoked, "CERT_REVOKED", "该节点的证书已被吊销，请联系上级中心。", "The node's certificate is revoked; ask the upper centre.";
    CertificateExpired, "CERT_EXPIRED", "证书已过期，请检查时钟并续期。", "The certificate has expired; check the clock and renew it.";
    CertificateNotYetValid, "CERT_NOT_YET_VALID", "证书尚未生效，请检查本机时钟。", "The certificate is not valid yet; check this machine's clock.";
    CertificateName, "CERT_NAME", "证书中的名称不符合规定。", "The name in the certificate is not a node's name as it should be.";
    CertificateChain, "CERT_CHAIN", "证书链不可信。", "The chain of certificates does not hold.";
    CertificateUsage, "CERT_USAGE", "证书用途不符。", "The certificate is not made for this use.";
    CertificateUnregistered, "CERT_UNREGISTERED", "该节点未登记。", "The node is not registered.";
    CertificateKey, "CERT_KEY", "证书密钥与登记的不一致。", "The node is registered with another key.";
    RequestMalformed, "ENROL_REQUEST", "证书申请有误。", "The signing request is malformed or does not prove its key.";
    KeyProof, "ENROL_KEY_PROOF", "密钥证明无效。", "A key is unsound or its proof does not hold.";
    AuthorityNotGranted, "ENROL_NO_AUTHORITY", "未授权该辖区签发证书。", "No authority to enrol others was granted to this place.";
    IssuerUnable, "ENROL_ISSUER", "上级中心目前无法签发证书，请联系其管理员。", "The upper centre cannot issue now; ask its administrator.";
    TryAgain, "ENROL_TRY_AGAIN", "暂时无法处理，请稍后再试。", "Not possible just now; try again.";
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl InvitationError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        Code::TokenMalformed
    }
}

impl RedeemError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Unknown => Code::TokenUnknown,
            Self::Expired => Code::TokenExpired,
            Self::Used => Code::TokenUsed,
            Self::Revoked => Code::TokenRevoked,
            Self::WrongPlace => Code::TokenOtherPlace,
        }
    }
}

impl IdentityError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Expired(_) => Code::CertificateExpired,
            Self::NotYetValid(_) => Code::CertificateNotYetValid,
            Self::NameCount(_)
            | Self::NameType
            | Self::NameSyntax(_)
            | Self::NameOutside
            | Self::CommonName
            | Self::OtherNode => Code::CertificateName,
            Self::LeafIsAuthority | Self::Usage => Code::CertificateUsage,
            Self::Unregistered(_) => Code::CertificateUnregistered,
            Self::Revoked(_) | Self::AuthorityRevoked(_) => Code::CertificateRevoked,
            Self::Key(_) => Code::CertificateKey,
            Self::ChainLength(_)
            | Self::Malformed { .. }
            | Self::Algorithm(_)
            | Self::Extension(_)
            | Self::Root
            | Self::Issuer(_)
            | Self::Signature(_)
            | Self::NotAuthority(_)
            | Self::PathLength(_)
            | Self::Constraint(_) => Code::CertificateChain,
        }
    }
}

impl Refusal {
    /// The stable code.
    pub(crate) const fn code(&self) -> Code {
        match self {
            Self::Invitation(error) => error.code(),
            Self::Request(_) => Code::RequestMalformed,
            Self::SigningProof(_)
            | Self::TransportProof(_)
            | Self::EncryptionKey(_)
            | Self::KeyTwice => Code::KeyProof,
            Self::AuthorityNotGranted => Code::AuthorityNotGranted,
            Self::OtherDeployment => Code::CertificateChain,
            Self::Issuer(AuthorityError::Random(_)) | Self::Random(_) => Code::TryAgain,
            Self::Issuer(_) => Code::IssuerUnable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_distinct_and_carry_words_in_both_languages() {
        let codes: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(!code.chinese().is_ascii(), "{code}");
            assert!(code.english().is_ascii(), "{code}");
            assert!(code.english().ends_with('.'), "{code}");
        }
    }
}
