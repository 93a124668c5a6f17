//! Placeholder until the enrolment floor lands.
use std::collections::BTreeMap;
use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::{PlaceId, UnitId};
use fengqiao_proto::v1 as pb;
/// x
#[derive(Debug)]
pub struct EnrolRefusal { /// c
 pub code: &'static str, /// e
 pub english: String, /// z
 pub chinese: String }
/// x
pub struct Minted { /// x
 pub id: String, /// x
 pub stored: String, /// x
 pub token: zeroize::Zeroizing<String>, /// x
 pub expires: Moment }
/// x
pub struct Enrolled { /// x
 pub invitation: (String, String), /// x
 pub registration: pb::NodeEnrolled, /// x
 pub certificate_chain: String, /// x
 pub authority_chain: String, /// x
 pub root: String, /// x
 pub repeated: bool }
/// x
pub trait Enroller: Send {
 /// x
 fn mint(&mut self, place: PlaceId, unit: Option<UnitId>, authority_levels: Option<u8>, hours: u32, now: Moment) -> Result<Minted, EnrolRefusal>;
 /// x
 fn join(&mut self, book: &BTreeMap<String, String>, request: &pb::JoinRequest, now: Moment) -> Result<Enrolled, EnrolRefusal>;
}
