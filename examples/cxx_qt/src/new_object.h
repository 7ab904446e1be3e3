// Creates an object of cxx-qt for Rust. The crate cxx-qt-lib has the same function, `make_unique`, but
// compiles about 190 files of C++.
#pragma once

#include <memory>

template<typename Object>
std::unique_ptr<Object> newObject()
{
    return std::make_unique<Object>();
}
