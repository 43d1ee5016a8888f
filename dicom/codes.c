#include "dicom/codes.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static const SegmentCode structure = {"91723000", "Anatomical Structure"};
static const SegmentCode abnormal = {"49755003", "Morphologically Abnormal Structure"};
static const SegmentCode tissue = {"85756007", "Tissue"};

/* Names are in small letters, words joined by one blank, without "left" and "right". The codes are those of the
 * dictionary that comes with pydicom, which is made from PS3.16. */
typedef struct Known {
    const char *name;
    const SegmentCode *category;
    SegmentCode type;
} Known;

static const Known known[] = {
    {"adrenal", &structure, {"23451007", "Adrenal gland"}},
    {"adrenal gland", &structure, {"23451007", "Adrenal gland"}},
    {"aneurysm", &abnormal, {"85659009", "Aneurysm"}},
    {"aorta", &structure, {"15825003", "Aorta"}},
    {"bladder", &structure, {"89837001", "Bladder"}},
    {"blood vessel", &structure, {"59820001", "Blood Vessel"}},
    {"bone", &structure, {"272673000", "Bone"}},
    {"brain", &structure, {"12738006", "Brain"}},
    {"brain stem", &structure, {"119238007", "Brain Stem"}},
    {"brainstem", &structure, {"119238007", "Brain Stem"}},
    {"breast", &structure, {"76752008", "Breast"}},
    {"cell", &structure, {"4421005", "Cell"}},
    {"cerebellum", &structure, {"113305005", "Cerebellum"}},
    {"clavicle", &structure, {"51299004", "Clavicle"}},
    {"colon", &structure, {"71854001", "Colon"}},
    {"cyst", &abnormal, {"367643001", "Cyst"}},
    {"duodenum", &structure, {"38848004", "Duodenum"}},
    {"edema", &abnormal, {"79654002", "Edema"}},
    {"esophagus", &structure, {"32849002", "Esophagus"}},
    {"eye", &structure, {"81745001", "Eye"}},
    {"fat", &tissue, {"256674009", "Fat"}},
    {"femoral head", &structure, {"2812003", "Femoral Head"}},
    {"femur", &structure, {"71341001", "Femur"}},
    {"gall bladder", &structure, {"28231008", "Gallbladder"}},
    {"gallbladder", &structure, {"28231008", "Gallbladder"}},
    {"heart", &structure, {"80891009", "Heart"}},
    {"hematoma", &abnormal, {"35566002", "Hematoma"}},
    {"hemorrhage", &abnormal, {"50960005", "Hemorrhage"}},
    {"hepatic vein", &structure, {"8993003", "Hepatic vein"}},
    {"hip", &structure, {"29836001", "Hip"}},
    {"hippocampus", &structure, {"5366008", "Hippocampus"}},
    {"humerus", &structure, {"85050009", "Humerus"}},
    {"inferior vena cava", &structure, {"64131007", "Inferior vena cava"}},
    {"ivc", &structure, {"64131007", "Inferior vena cava"}},
    {"kidney", &structure, {"64033007", "Kidney"}},
    {"large intestine", &structure, {"14742008", "Large intestine"}},
    {"lesion", &abnormal, {"52988006", "Lesion"}},
    {"liver", &structure, {"10200004", "Liver"}},
    {"lung", &structure, {"39607008", "Lung"}},
    {"mandible", &structure, {"91609006", "Mandible"}},
    {"mass", &abnormal, {"4147007", "Mass"}},
    {"metastasis", &abnormal, {"128462008", "Metastasis"}},
    {"muscle", &tissue, {"71616004", "Muscle"}},
    {"necrosis", &abnormal, {"6574001", "Necrosis"}},
    {"neoplasm", &abnormal, {"108369006", "Neoplasm"}},
    {"nodule", &abnormal, {"27925004", "Nodule"}},
    {"oedema", &abnormal, {"79654002", "Edema"}},
    {"oesophagus", &structure, {"32849002", "Esophagus"}},
    {"optic chiasm", &structure, {"244453006", "Optic chiasm"}},
    {"optic nerve", &structure, {"18234004", "Optic nerve"}},
    {"ovary", &structure, {"15497006", "Ovary"}},
    {"pancreas", &structure, {"15776009", "Pancreas"}},
    {"parotid", &structure, {"45289007", "Parotid gland"}},
    {"parotid gland", &structure, {"45289007", "Parotid gland"}},
    {"pituitary", &structure, {"56329008", "Pituitary"}},
    {"portal vein", &structure, {"32764006", "Portal vein"}},
    {"postcava", &structure, {"64131007", "Inferior vena cava"}},
    {"prostate", &structure, {"41216001", "Prostate"}},
    {"pulmonary artery", &structure, {"81040000", "Pulmonary artery"}},
    {"rectum", &structure, {"34402009", "Rectum"}},
    {"rib", &structure, {"113197003", "Rib"}},
    {"sacrum", &structure, {"54735007", "Sacrum"}},
    {"scapula", &structure, {"79601000", "Scapula"}},
    {"seminal vesicle", &structure, {"64739004", "Seminal vesicle"}},
    {"skin", &structure, {"39937001", "Skin"}},
    {"skull", &structure, {"89546000", "Skull"}},
    {"small bowel", &structure, {"30315005", "Small intestine"}},
    {"small intestine", &structure, {"30315005", "Small intestine"}},
    {"spinal cord", &structure, {"2748008", "Spinal cord"}},
    {"spleen", &structure, {"78961009", "Spleen"}},
    {"sternum", &structure, {"56873002", "Sternum"}},
    {"stomach", &structure, {"69695003", "Stomach"}},
    {"testis", &structure, {"40689003", "Testis"}},
    {"thalamus", &structure, {"42695009", "Thalamus"}},
    {"thrombus", &abnormal, {"396339007", "Thrombus"}},
    {"thyroid", &structure, {"69748006", "Thyroid"}},
    {"thyroid gland", &structure, {"69748006", "Thyroid"}},
    {"tibia", &structure, {"12611008", "Tibia"}},
    {"tongue", &structure, {"21974007", "Tongue"}},
    {"trachea", &structure, {"44567001", "Trachea"}},
    {"tumor", &abnormal, {"108369006", "Neoplasm"}},
    {"tumour", &abnormal, {"108369006", "Neoplasm"}},
    {"urinary bladder", &structure, {"89837001", "Bladder"}},
    {"uterus", &structure, {"35039007", "Uterus"}},
    {"vertebra", &structure, {"51282000", "Vertebra"}},
};

enum { NAME_BYTES = 65 };

/* The words in small letters, joined by a blank; returns the side that one of them is: 'l', 'r', or 0. */
static char read_words(char plain[NAME_BYTES], const char *name)
{
    char side = 0;
    size_t length = 0;
    for (const char *at = name; *at;) {
        const size_t before = length;
        for (; *at && !isalnum((unsigned char)*at); at++) continue;
        if (length && *at && length + 1 < NAME_BYTES) plain[length++] = ' ';
        const size_t word = length;
        for (; *at && isalnum((unsigned char)*at); at++)
            if (length + 1 < NAME_BYTES) plain[length++] = (char)tolower((unsigned char)*at);
        plain[length] = '\0';
        const char found = !strcmp(plain + word, "left") ? 'l' : !strcmp(plain + word, "right") ? 'r' : 0;
        if (!found) continue;
        side = found;
        length = before;
        plain[length] = '\0';
    }
    return side;
}

static const Known *find(const char *name)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].name, name)) return &known[i];
    return NULL;
}

SegmentCodes codes_of(const char *name)
{
    char plain[NAME_BYTES] = "";
    const SegmentCode left = {"7771000", "Left"}, right = {"24028007", "Right"}, none = {NULL, NULL};
    const char side = read_words(plain, name);
    const Known *found = find(plain);
    const size_t length = strlen(plain);
    if (!found && length && plain[length - 1] == 's') { /* of several */
        plain[length - 1] = '\0';
        found = find(plain);
    }
    if (!found) return (SegmentCodes){tissue, tissue, none};
    return (SegmentCodes){*found->category, found->type, side == 'l' ? left : side == 'r' ? right : none};
}
