//! Compiles the C++ closures.

fn main() {
    println!("cargo:rerun-if-changed=src");
    let headers = std::env::var("DEP_QT_INCLUDE_PATH").expect("qttypes has found Qt");
    cpp_build::Config::new()
        .include(&headers)
        .include(format!("{headers}/QtCore"))
        .flag_if_supported("-fPIC")
        .flag_if_supported("-std=c++17")
        .build("src/main.rs");
}
