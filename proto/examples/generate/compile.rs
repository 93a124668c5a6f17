//! Compiles the protocol files; shared with the test that compares the result with what is in git.

/// Compiles every `.proto` file below `proto/` and writes the code and the descriptor set to `out`.
pub(crate) fn generate(
    proto: &std::path::Path,
    out: &std::path::Path,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut files: Vec<_> = std::fs::read_dir(proto.join("fengqiao/v1"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    let descriptors = protox::compile(&files, [proto])?;
    std::fs::create_dir_all(out)?;
    // Comments go into the code, not into the descriptor: a reworded comment is no change of the wire.
    let mut bare = descriptors.clone();
    for file in &mut bare.file {
        file.source_code_info = None;
    }
    std::fs::write(
        out.join("fengqiao.v1.bin"),
        prost::Message::encode_to_vec(&bare),
    )?;
    tonic_prost_build::configure()
        .build_transport(false)
        .out_dir(out)
        .compile_fds(descriptors)?;
    Ok(())
}
