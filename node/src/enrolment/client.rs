//! The asking side: joining by an invitation, and renewing.
//!
//! A join makes room for its folder before the invitation is used, proves the
//! other end before the secret is sent, and believes the answer only when it
//! holds together with what was asked. An answer lost on the way is asked for
//! again with the same keys. Where anything fails, no folder is left; but an
//! invitation whose answer never came may be used up, and then the parent has
//! to give a new one.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::StoreId;
use fengqiao_proto::v1 as pb;
use pb::enrol_service_client::EnrolServiceClient;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use super::verdict::{AnswerError, Asked, Verdict, authority_of};
use super::{EnrolRefusal, EnrolmentError, timestamp};
use crate::dial::{Dial, TlsVerdict};
use crate::folder::{
    Folder, FolderError, Identity, Kept, Making, NewFolder, NodeKeys, Parent, Purpose,
};
use crate::trust::authority::Chain;
use crate::trust::enrol::{Issued, JoinRequest, NewKeys, RenewRequest};
use crate::trust::tls::{FirstContact, Presented, Trust};
use crate::trust::{AuthorityKey, Code, Invitation, PeerIdentity, Random, draw};

/// Until an attempt to connect, handshake included, is given up.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Until an answer is waited for no longer.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The same request is sent so often at most.
pub(super) const ATTEMPTS_MAX: u32 = 3;
/// The largest answer: it carries whole registries.
pub(super) const ANSWER_BYTES_MAX: usize = 64 << 20;

const LINK_PORT: u16 = 7443;

/// Whether the node is to enrol others below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Authorities {
    /// If the invitation grants it.
    #[default]
    IfGranted,
    /// It must, or the join is refused.
    Required,
    /// It will not.
    None,
}

/// How to join.
#[derive(Clone, Copy)]
pub struct JoinOptions<'a> {
    /// The folder to be made.
    pub path: &'a Path,
    /// The invitation as it was handed over.
    pub token: &'a str,
    /// `host:port` of the parent's enrol port.
    pub address: &'a str,
    /// The parent's name in certificates, where its process hosts several.
    pub parent_name: Option<&'a str>,
    /// Whether the node is to enrol others.
    pub authorities: Authorities,
    /// Whether the folder may be one that was restored from a backup, to go on under a new identity.
    pub recovers: bool,
}

impl std::fmt::Debug for JoinOptions<'_> {
    /// Without the token, which is a secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("JoinOptions")
            .field("path", &self.path)
            .field("address", &self.address)
            .field("parent_name", &self.parent_name)
            .field("authorities", &self.authorities)
            .finish_non_exhaustive()
    }
}

/// Joins: makes the keys, asks, checks, and makes the data folder.
///
/// # Errors
/// An [`EnrolmentError`]; no folder is left then.
pub async fn join(
    options: &JoinOptions<'_>,
    now: Moment,
    random: &mut (dyn Random + Send),
) -> Result<Folder, EnrolmentError> {
    join_from(options, None, now, random).await
}

/// The same from one address of this machine. A parent counts joins by address:
/// who sets up many nodes on one machine uses many of its loopback addresses.
///
/// # Errors
/// As [`join`].
pub async fn join_from(
    options: &JoinOptions<'_>,
    from: Option<Ipv4Addr>,
    now: Moment,
    random: &mut (dyn Random + Send),
) -> Result<Folder, EnrolmentError> {
    let invitation: Invitation = options.token.parse().map_err(EnrolmentError::Token)?;
    let (host, _) = host_and_port(options.address)?;
    if let Some(done) = done_before(options.path, &invitation)? {
        return Ok(done);
    }
    // Room first: a full disk must not cost the invitation.
    let mut making = if options.recovers {
        Making::begin_recovery(options.path)?
    } else {
        Making::begin(options.path)?
    };
    if let Some(restored) = making.restored() {
        // Before the secret leaves: an invitation for another place, or of another deployment, is not spent here.
        if restored.place != invitation.place {
            return Err(EnrolmentError::OtherBackup("place"));
        }
        if restored.root != invitation.root {
            return Err(EnrolmentError::OtherBackup("root"));
        }
    }
    let mut kept = keys_for(&mut making, &invitation, options.authorities, random)?;
    let dial = Asking {
        address: options.address,
        from,
        name: options.parent_name.unwrap_or(host),
        config: FirstContact::new(invitation.clone()).client_config(Arc::new(Standing(now)))?,
    };
    let answered = loop {
        let request = request(&invitation, &kept.keys, kept.authority.as_ref())?;
        // From here on nobody here knows whether it was granted, until there is an answer.
        making.may_be_granted(true);
        match ask_to_join(&dial, &request).await {
            Err(EnrolmentError::Refused(refusal))
                if refusal == Code::AuthorityNotGranted.into()
                    && options.authorities == Authorities::IfGranted
                    && kept.authority.is_some() =>
            {
                making.keep_no_authority()?;
                kept.authority = None;
            }
            Err(refused) => {
                making.may_be_granted(is_open(&refused));
                return Err(refused);
            }
            Ok(answered) => break answered,
        }
    };
    let (response, chain) = answered;
    let parent = FirstContact::new(invitation.clone())
        .verify(&chain, timestamp(now))
        .map_err(|error| EnrolmentError::Handshake(error.code()))?;
    let asked = Asked {
        invitation: &invitation,
        parent: &parent,
        keys: &kept.keys,
        authority: kept.authority.as_ref(),
        now: timestamp(now),
    };
    let verdict = asked.judge(&response)?;
    let joined = Joined {
        options,
        host,
        invitation: &invitation,
        parent: &parent,
        keys: &kept.keys,
        store: kept.purpose.store,
        response: &response,
    };
    joined.write_down(making, verdict, kept.authority, now)
}

/// A folder that this very invitation has made before: the command was cut when it was done, or is given twice.
fn done_before(path: &Path, invitation: &Invitation) -> Result<Option<Folder>, EnrolmentError> {
    match Folder::open(path) {
        Ok(folder) if folder.identity.invitation == Some(invitation.id) => Ok(Some(folder)),
        // What else stands there is judged by whoever makes a folder.
        Ok(_)
        | Err(
            FolderError::Absent { .. }
            | FolderError::InUse
            | FolderError::Restored { .. }
            | FolderError::Missing { .. }
            | FolderError::Damaged { .. }
            | FolderError::Newer { .. },
        ) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The keys that an earlier attempt by this invitation has kept, or fresh ones, kept before anything is asked.
fn keys_for(
    making: &mut Making,
    invitation: &Invitation,
    authorities: Authorities,
    random: &mut (dyn Random + Send),
) -> Result<Kept, EnrolmentError> {
    let by = invitation.id.to_string();
    if let Some(kept) = making.kept(&by)? {
        making.take_room()?;
        return Ok(kept);
    }
    let kept = Kept {
        purpose: Purpose {
            by,
            store: StoreId(draw(random)?),
            node: None,
        },
        keys: NodeKeys::generate(random)?,
        authority: match authorities {
            Authorities::None => None,
            Authorities::IfGranted | Authorities::Required => Some(AuthorityKey::generate(random)?),
        },
    };
    making.keep(&kept)?;
    Ok(kept)
}

/// Whether an invitation may have been used all the same.
fn is_open(error: &EnrolmentError) -> bool {
    match error {
        EnrolmentError::Unreachable(_) | EnrolmentError::Failed(_) | EnrolmentError::Answer(_) => {
            true
        }
        EnrolmentError::Token(_)
        | EnrolmentError::Option { .. }
        | EnrolmentError::Address
        | EnrolmentError::Folder(_)
        | EnrolmentError::OtherBackup(_)
        | EnrolmentError::LinkPort { .. }
        | EnrolmentError::Handshake(_)
        | EnrolmentError::Refused(_)
        | EnrolmentError::Authority(_)
        | EnrolmentError::Tls(_)
        | EnrolmentError::Random(_) => false,
    }
}

/// Everything that goes into the folder of a node that joined.
struct Joined<'a> {
    options: &'a JoinOptions<'a>,
    host: &'a str,
    invitation: &'a Invitation,
    parent: &'a PeerIdentity,
    keys: &'a NodeKeys,
    store: StoreId,
    response: &'a pb::JoinResponse,
}

impl Joined<'_> {
    fn write_down(
        &self,
        making: Making,
        verdict: Verdict,
        authority_key: Option<AuthorityKey>,
        now: Moment,
    ) -> Result<Folder, EnrolmentError> {
        let place = self.invitation.place;
        let authority = match (authority_key, verdict.authority) {
            (Some(key), Some(chain)) => Some(authority_of(
                key,
                chain,
                &verdict.root,
                place,
                timestamp(now),
            )?),
            (_, _) => None,
        };
        let link_address = link_address(&self.response.link_address, self.host);
        let identity = Identity {
            node: verdict.node,
            place,
            place_name: verdict.place_name,
            level: verdict.level,
            unit: verdict.unit,
            deployment: verdict.deployment,
            store: self.store,
            incarnation: verdict.incarnation,
            generation: verdict.generation,
            parent: Some(Parent {
                node: self.parent.node(),
                name: verdict.parent_name,
                link_address,
                enrol_address: self.options.address.to_owned(),
                overtaken_address: None,
            }),
            invitation: Some(self.invitation.id),
        };
        Ok(making.finish(&NewFolder {
            identity: &identity,
            keys: self.keys,
            chain: &verdict.chain,
            authority: authority.as_ref(),
            root: &verdict.root,
            root_authority: None,
            first_entries: &self.response.registry,
            rulebook: &[],
        })?)
    }
}

/// Asks the parent for new certificates, of the node and of its authority, and
/// puts them in place. What is shown to others is for the caller to exchange.
///
/// `trust` is the running node's, so that the parent is judged by the registry.
///
/// # Errors
/// An [`EnrolmentError`]; the present certificates stay then.
pub async fn renew(
    folder: &mut Folder,
    trust: &Trust,
    address: &str,
    now: Moment,
) -> Result<(), EnrolmentError> {
    host_and_port(address)?;
    let parent = folder.identity.parent.as_ref();
    let name = parent.map(|parent| parent.name.to_string());
    let name = name.ok_or(EnrolmentError::Refused(EnrolRefusal::NOT_ENROLLED_HERE))?;
    let authority = folder.authority()?;
    let request = RenewRequest::compose(
        &folder.credentials.own,
        &folder.keys.transport,
        &folder.keys.transport,
        &folder.keys.signing,
        authority.as_ref().map(crate::trust::Authority::key),
    )?;
    let request = pb::RenewRequest {
        certificate_request: request.transport_request,
        transport_proof: request.transport_proof.to_vec(),
        signing_proof: request.signing_proof.to_vec(),
        authority_request: request.authority_request.unwrap_or_default(),
        authority_chain: authority
            .as_ref()
            .map(|authority| authority.chain().to_pem())
            .unwrap_or_default(),
    };
    let presented = Arc::new(Presented::new(&folder.credentials));
    let dial = Asking {
        address,
        from: None,
        name: &name,
        config: trust.client_config(&presented)?,
    };
    let mut connection = dial.connect().await?;
    let response = connection
        .client
        .renew(request)
        .await
        .map_err(|status| connection.failure(&status))?
        .into_inner();
    let issued = Issued {
        node: Chain::from_pem(&response.certificate_chain)?,
        authority: match response.authority_chain.as_str() {
            "" => None,
            pem => Some(Chain::from_pem(pem)?),
        },
    };
    let key = authority.as_ref().map(crate::trust::Authority::public);
    let root = folder.root.fingerprint();
    let own = issued
        .check(folder.keys.transport.public(), key, &root, timestamp(now))
        .map_err(AnswerError::Identity)?;
    if own.node() != folder.identity.node {
        return Err(AnswerError::Field("node").into());
    }
    Ok(folder.replace_chains(&issued.node, issued.authority.as_ref())?)
}

fn request(
    invitation: &Invitation,
    keys: &NodeKeys,
    authority: Option<&AuthorityKey>,
) -> Result<pb::JoinRequest, EnrolmentError> {
    let request = JoinRequest::compose(
        invitation,
        &NewKeys {
            transport: &keys.transport,
            signing: &keys.signing,
            encryption: keys.encryption.public(),
            authority,
        },
    )?;
    Ok(pb::JoinRequest {
        invitation: request.invitation.to_string(),
        secret: request.secret.as_bytes().to_vec(),
        place: request.place.to_string(),
        certificate_request: request.transport_request,
        signing_key: request.signing_key.to_vec(),
        signing_proof: request.signing_proof.to_vec(),
        encryption_key: request.encryption_key.to_vec(),
        authority_request: request.authority_request.unwrap_or_default(),
    })
}

type Answered = (pb::JoinResponse, Vec<CertificateDer<'static>>);

/// Sends one request until it is answered: the same keys get the same node.
async fn ask_to_join(
    dial: &Asking<'_>,
    request: &pb::JoinRequest,
) -> Result<Answered, EnrolmentError> {
    let mut attempt = 1;
    loop {
        let mut connection = dial.connect().await?;
        let failed = match connection.client.join(request.clone()).await {
            Ok(response) => return Ok((response.into_inner(), connection.chain)),
            Err(status) => connection.failure(&status),
        };
        let lost = matches!(failed, EnrolmentError::Unreachable { .. });
        if !lost || attempt == ATTEMPTS_MAX {
            return Err(failed);
        }
        attempt += 1;
    }
}

/// Whom to ask, and how to know it.
pub(super) struct Asking<'a> {
    pub(super) address: &'a str,
    pub(super) from: Option<Ipv4Addr>,
    pub(super) name: &'a str,
    pub(super) config: ClientConfig,
}

impl Asking<'_> {
    /// Opens one connection. Nothing is sent on it before its other end is
    /// proven, and it is never opened anew behind the caller's back.
    pub(super) async fn connect(&self) -> Result<Connection, EnrolmentError> {
        let name =
            ServerName::try_from(self.name.to_owned()).map_err(|_| EnrolmentError::Address)?;
        let dial = Dial {
            address: self.address,
            from: self.from,
            name,
            config: Arc::new(self.config.clone()),
            limit: CONNECT_TIMEOUT,
        };
        let connection = dial.connect().await?;
        let (chain, verdict) = (connection.chain.clone(), connection.verdict.clone());
        let endpoint = Endpoint::from_static("https://enrol.fq.internal").timeout(ANSWER_TIMEOUT);
        let channel = connection.channel(endpoint).await?;
        let client = EnrolServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
        Ok(Connection {
            client,
            chain,
            verdict,
        })
    }
}

/// A proven connection.
pub(super) struct Connection {
    pub(super) client: EnrolServiceClient<Channel>,
    /// What the other end has shown.
    chain: Vec<CertificateDer<'static>>,
    verdict: TlsVerdict,
}

impl Connection {
    /// What the other end said, or why it said nothing.
    pub(super) fn failure(&self, status: &Status) -> EnrolmentError {
        if let Some(refusal) = EnrolRefusal::of_status(status) {
            return EnrolmentError::Refused(refusal);
        }
        let lost = std::error::Error::source(status).is_some()
            || matches!(
                status.code(),
                tonic::Code::Unavailable | tonic::Code::Cancelled | tonic::Code::DeadlineExceeded
            );
        if lost {
            self.verdict.unreached().into()
        } else {
            EnrolmentError::Failed(EnrolRefusal::words_of(status))
        }
    }
}

/// Where to dial a node that says where it listens, asked at an enrol port of `host`. One that listens at every address
/// of its machine is dialled at the one by which it was reached.
pub(super) fn link_address(listens: &str, host: &str) -> String {
    match listens.parse::<SocketAddr>() {
        _ if listens.is_empty() => with_port(host, LINK_PORT),
        Ok(every) if every.ip().is_unspecified() => with_port(host, every.port()),
        Ok(_) | Err(_) => listens.to_owned(),
    }
}

/// Host, without the brackets of an IPv6 address, and port.
pub(crate) fn host_and_port(address: &str) -> Result<(&str, u16), EnrolmentError> {
    let (host, port) = address.rsplit_once(':').ok_or(EnrolmentError::Address)?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or(EnrolmentError::Address)?,
        None if host.contains(':') => return Err(EnrolmentError::Address),
        None => host,
    };
    let port: u16 = port.parse().map_err(|_| EnrolmentError::Address)?;
    if host.is_empty() || port == 0 {
        return Err(EnrolmentError::Address);
    }
    Ok((host, port))
}

fn with_port(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// A clock that stands: a join is judged as of the instant it was begun.
#[derive(Debug)]
pub(super) struct Standing(pub(super) Moment);

impl TimeProvider for Standing {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.0.div_euclid(1000)).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}
