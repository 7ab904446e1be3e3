// Creates an object of cxx-qt for Rust. The crate cxx-qt-lib has the same, `rust::cxxqtlib1::make_unique`,
// and compiles some 250 files of C++ besides.
#pragma once

#include <memory>

template<typename Object>
std::unique_ptr<Object> newObject()
{
    return std::make_unique<Object>();
}
