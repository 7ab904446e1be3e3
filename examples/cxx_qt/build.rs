//! Generates the C++ class of the bridge in `src/main.rs`, and compiles it.

fn main() {
    cxx_qt_build::CxxQtBuilder::new()
        .file("src/main.rs")
        .build();
}
