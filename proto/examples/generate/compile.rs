//! Compiles the protocol files; shared with the test that compares the result with what is in git.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use heck::{ToSnakeCase as _, ToUpperCamelCase as _};
use prost_types::{DescriptorProto, FileDescriptorSet};

/// Compiles every `.proto` file below `proto/` and writes the code and the descriptor set to `out`.
pub(crate) fn generate(proto: &Path, out: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut files = Vec::new();
    collect(&proto.join("fengqiao/v1"), &mut files)?;
    files.sort();
    let mut compiler = protox::Compiler::new([proto])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(&files)?;
    std::fs::create_dir_all(out)?;
    // Comments go into the code, not into the descriptor: a reworded comment is no change of the wire.
    let code = compiler.file_descriptor_set();
    let contents = contents(&code);
    compiler.include_source_info(false);
    std::fs::write(
        out.join("fengqiao.v1.bin"),
        compiler.encode_file_descriptor_set(),
    )?;
    tonic_prost_build::configure()
        .build_transport(false)
        .out_dir(out)
        .compile_fds(code)?;
    let generated = out.join("fengqiao.v1.rs");
    let code = std::fs::read_to_string(&generated)?;
    std::fs::write(generated, code + &contents)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            files.push(path);
        }
    }
    Ok(())
}

/// Each thing an entry may say as the content of a body, and each action as an action: a wrapping a level, written from
/// the choices that the messages hold.
fn contents(files: &FileDescriptorSet) -> String {
    let messages: BTreeMap<&str, &DescriptorProto> = files
        .file
        .iter()
        .filter(|file| file.package() == "fengqiao.v1")
        .flat_map(|file| &file.message_type)
        .map(|message| (message.name(), message))
        .collect();
    let mut code = String::new();
    nest(
        &messages,
        "Body",
        "body::Content",
        &str::to_owned,
        &mut code,
    );
    nest(&messages, "Action", "Action", &str::to_owned, &mut code);
    code
}

/// Writes the conversion of each message that the choice in `holder` may hold, at any depth, into `target`.
fn nest(
    messages: &BTreeMap<&str, &DescriptorProto>,
    holder: &str,
    target: &str,
    outer: &dyn Fn(&str) -> String,
    code: &mut String,
) {
    let Some(message) = messages.get(holder) else {
        return;
    };
    let Some(choice) = message.oneof_decl.first() else {
        return;
    };
    let module = holder.to_snake_case();
    let list = choice.name().to_upper_camel_case();
    for field in message
        .field
        .iter()
        .filter(|field| field.oneof_index.is_some())
    {
        let inner = field.type_name().rsplit('.').next().unwrap_or_default();
        let variant = field.name().to_upper_camel_case();
        let wrapped = |value: &str| {
            let chosen = format!("{module}::{list}::{variant}({value})");
            match holder {
                "Body" => chosen,
                _ => outer(&format!("{holder} {{ {}: Some({chosen}) }}", choice.name())),
            }
        };
        let deeper = messages
            .get(inner)
            .is_some_and(|inner| !inner.oneof_decl.is_empty());
        if deeper {
            nest(messages, inner, target, &wrapped, code);
        } else {
            impl_from(inner, target, &wrapped("message"), code);
        }
    }
}

fn impl_from(from: &str, to: &str, value: &str, code: &mut String) {
    code.push_str(&format!(
        "impl From<{from}> for {to} {{ fn from(message: {from}) -> Self {{ {value} }} }}\n"
    ));
}
