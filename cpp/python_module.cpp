// The Python module qtloop._qt6, or _qt5 for Qt 5. Its only attribute is the table, in a capsule.
//
// The declarations are those of Python's stable ABI, so a build needs no headers of Python, and the
// module fits every Python from 3.10 on.
#include "table.h"

#include <QtCore/qglobal.h>

#include <cstddef>

#if QT_VERSION_MAJOR == 5
#define MODULE "_qt5"
#define INIT PyInit__qt5
#else
#define MODULE "_qt6"
#define INIT PyInit__qt6
#endif

extern "C" {

struct PyObject;

PyObject* PyModuleDef_Init(struct PyModuleDef* definition);
int PyModule_AddObjectRef(PyObject* module, const char* name, PyObject* value);
PyObject* PyCapsule_New(void* pointer, const char* name, void (*destructor)(PyObject*));
void Py_DecRef(PyObject* object);

struct PyModuleDef_Slot
{
    int slot;
    void* value;
};

struct PyModuleDef
{
    std::ptrdiff_t reference_count;
    PyObject* type;
    PyObject* (*init)();
    std::ptrdiff_t index;
    PyObject* copy;
    const char* name;
    const char* doc;
    std::ptrdiff_t size;
    void* methods;
    PyModuleDef_Slot* slots;
    void* traverse;
    void* clear;
    void* free;
};

} // extern "C"

namespace {

constexpr int Py_mod_exec = 2;

int add_table(PyObject* module)
{
    // src/python/mod.rs compares the name.
    PyObject* capsule = PyCapsule_New(const_cast<QtloopTable*>(&qtloop_table), "QtloopTable", nullptr);
    if (!capsule)
        return -1;
    int result = PyModule_AddObjectRef(module, "table", capsule);
    Py_DecRef(capsule);
    return result;
}

PyModuleDef_Slot slots[] = {
    { Py_mod_exec, reinterpret_cast<void*>(add_table) },
    { 0, nullptr },
};

PyModuleDef make_definition()
{
    PyModuleDef made = {};
    made.reference_count = 1;
    made.name = MODULE;
    made.slots = slots;
    return made;
}

PyModuleDef definition = make_definition();

} // namespace

extern "C" __attribute__((visibility("default"))) PyObject* INIT()
{
    return PyModuleDef_Init(&definition);
}
